package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"syscall"
	"testing"
)

// An error tells what to do about it.
func TestExplain(t *testing.T) {
	at := func(err error) error {
		return &url.Error{Op: "Get", URL: "https://127.0.0.1:6443/version", Err: err}
	}
	for _, test := range []struct {
		err  error
		says string
	}{
		{context.Canceled, "interrupted"},
		{at(syscall.ECONNREFUSED), "no API server answers at 127.0.0.1:6443: start Mainstay"},
		{fmt.Errorf("list: %w", at(errors.New("certificate has expired"))), "cannot reach the cluster: certificate has expired"},
		{errors.New(`the server doesn't have a resource type "pet"`), "does not know PetSets"},
		{errors.New(`the server doesn't have a resource type "sst"`), "sets are petset/NAME"},
		{errors.New("anything else"), "anything else"},
	} {
		if got := explain(test.err); got == nil || !strings.Contains(got.Error(), test.says) {
			t.Errorf("%v: it says %v, not %q", test.err, got, test.says)
		}
	}
	if err := explain(nil); err != nil {
		t.Error(err)
	}
}
