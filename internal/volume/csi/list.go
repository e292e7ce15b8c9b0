package csi

import (
	"context"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// ListVolumes gives volumes in the order of their IDs. The token for the next
// page is the last ID of this one, so pages stay right while volumes come and go.
func (c controller) ListVolumes(_ context.Context, r *spec.ListVolumesRequest) (*spec.ListVolumesResponse, error) {
	if r.GetMaxEntries() < 0 {
		return nil, invalid("the largest number of entries is negative: %d", r.GetMaxEntries())
	}
	records, err := c.driver.Pool.List()
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(records, r.GetStartingToken(), int(r.GetMaxEntries()))
	if err != nil {
		return nil, err
	}
	response := &spec.ListVolumesResponse{NextToken: next}
	for _, record := range page {
		response.Entries = append(response.Entries, &spec.ListVolumesResponse_Entry{Volume: c.describe(record)})
	}
	return response, nil
}

const tokenPrefix = "after:"

// pageOf gives at most limit records (0: all) that follow the token, and the
// token for what is left.
func pageOf(records []volume.Record, token string, limit int) ([]volume.Record, string, error) {
	if token != "" {
		if len(token) <= len(tokenPrefix) || token[:len(tokenPrefix)] != tokenPrefix {
			return nil, "", status.Errorf(codes.Aborted, "the token %q is not one of ours; list again from the start", token)
		}
		after := token[len(tokenPrefix):]
		for len(records) > 0 && records[0].ID <= after {
			records = records[1:]
		}
	}
	if limit == 0 || limit >= len(records) {
		return records, "", nil
	}
	return records[:limit], tokenPrefix + records[limit-1].ID, nil
}
