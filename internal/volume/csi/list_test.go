package csi

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Whatever the page size, pages hold every volume once, also if one of them is
// deleted between two pages.
func TestPagesHoldEveryVolumeOnce(t *testing.T) {
	idOf := func(r volume.Record) string { return r.ID }
	var all []volume.Record
	for i := range 7 {
		all = append(all, volume.Record{ID: fmt.Sprintf("v%d", i)})
	}
	for limit := range 9 {
		for _, deleteSeen := range []bool{false, true} {
			records, seen, token := append([]volume.Record(nil), all...), "", ""
			for {
				page, next, err := pageOf(records, idOf, token, limit)
				if err != nil || limit > 0 && len(page) > limit {
					t.Fatalf("limit %d: %d records, error %v", limit, len(page), err)
				}
				for _, r := range page {
					seen += r.ID + " "
				}
				if token = next; token == "" {
					break
				}
				if deleteSeen {
					records = records[len(page):]
				}
			}
			if seen != "v0 v1 v2 v3 v4 v5 v6 " {
				t.Errorf("limit %d, deleted meanwhile %v: saw %s", limit, deleteSeen, seen)
			}
		}
	}
	if _, _, err := pageOf(all, idOf, "foreign", 1); status.Code(err) != codes.Aborted {
		t.Errorf("a foreign token: %v", err)
	}
}
