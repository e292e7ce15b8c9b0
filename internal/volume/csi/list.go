package csi

import (
	"context"
	"slices"
	"strings"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ListVolumes gives volumes in the order of their IDs. The token for the next
// page is the last ID of this one, so pages stay right while volumes come and go.
func (c controller) ListVolumes(_ context.Context, r *spec.ListVolumesRequest) (*spec.ListVolumesResponse, error) {
	if r.GetMaxEntries() < 0 {
		return nil, invalid("the largest number of entries is negative: %d", r.GetMaxEntries())
	}
	var all []*spec.Volume
	for _, pool := range c.driver.Pools.All() {
		records, err := pool.List()
		if err != nil {
			return nil, err
		}
		for _, record := range records {
			all = append(all, c.describe(pool, record))
		}
	}
	slices.SortFunc(all, func(a, b *spec.Volume) int { return strings.Compare(a.GetVolumeId(), b.GetVolumeId()) })
	page, next, err := pageOf(all, (*spec.Volume).GetVolumeId, r.GetStartingToken(), int(r.GetMaxEntries()))
	if err != nil {
		return nil, err
	}
	response := &spec.ListVolumesResponse{NextToken: next}
	for _, v := range page {
		response.Entries = append(response.Entries, &spec.ListVolumesResponse_Entry{Volume: v})
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
