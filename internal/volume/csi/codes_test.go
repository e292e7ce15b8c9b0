package csi

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func TestWithCode(t *testing.T) {
	for _, c := range []struct {
		err  error
		want codes.Code
	}{
		{nil, codes.OK},
		{invalid("no name"), codes.InvalidArgument},
		{volume.ErrBusy, codes.Aborted},
		{volume.ErrNotFound, codes.NotFound},
		{volume.ErrConflict, codes.AlreadyExists},
		{fmt.Errorf("create: %w", volume.ErrNoSpace), codes.ResourceExhausted},
		{errors.Join(volume.ErrNoSpace, errors.New("and the clean-up failed")), codes.ResourceExhausted},
		{qos.ErrNoPerformance, codes.ResourceExhausted},
		{qos.ErrParameter, codes.InvalidArgument},
		{volume.ErrSize, codes.OutOfRange},
		{volume.ErrInUse, codes.FailedPrecondition},
		{volume.ErrUnsupported, codes.FailedPrecondition},
		{volume.ErrSource, codes.InvalidArgument},
		{volume.ErrMember, codes.InvalidArgument},
		{context.Canceled, codes.Canceled},
		{context.DeadlineExceeded, codes.DeadlineExceeded},
		{errors.New("disk on fire"), codes.Internal},
	} {
		if got := withCode(c.err); status.Code(got) != c.want {
			t.Errorf("withCode(%v) has the code %s, want %s", c.err, status.Code(got), c.want)
		}
	}
}
