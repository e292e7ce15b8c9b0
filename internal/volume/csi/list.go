package csi

import (
	"context"
	"strings"

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
	page, next, err := pageOf(records, func(r volume.Record) string { return r.ID }, r.GetStartingToken(), int(r.GetMaxEntries()))
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

// pageOf gives at most limit elements (0: all) that follow the token, and the
// token for what is left. The elements are in the order of their IDs.
func pageOf[E any](all []E, id func(E) string, token string, limit int) ([]E, string, error) {
	if token != "" {
		after, ours := strings.CutPrefix(token, tokenPrefix)
		if !ours || after == "" {
			return nil, "", status.Errorf(codes.Aborted, "the token %q is not one of ours; list again from the start", token)
		}
		for len(all) > 0 && id(all[0]) <= after {
			all = all[1:]
		}
	}
	if limit == 0 || limit >= len(all) {
		return all, "", nil
	}
	return all[:limit], tokenPrefix + id(all[limit-1]), nil
}
