package csi

import (
	"context"
	"errors"
	"slices"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// CreateSnapshot answers when the snapshot is complete.
func (c controller) CreateSnapshot(ctx context.Context, r *spec.CreateSnapshotRequest) (*spec.CreateSnapshotResponse, error) {
	if r.GetName() == "" || r.GetSourceVolumeId() == "" {
		return nil, invalid("snapshot name and source volume ID must be given")
	}
	if err := refuseParameters(r.GetParameters()); err != nil {
		return nil, err
	}
	s, err := c.driver.Pool.Snapshot(ctx, r.GetName(), r.GetSourceVolumeId(), c.driver.Pool.Lock)
	if err != nil {
		return nil, err
	}
	return &spec.CreateSnapshotResponse{Snapshot: describeSnapshot(s)}, nil
}

// refuseParameters refuses what a snapshot class says: there is nothing to say.
func refuseParameters(parameters map[string]string) error {
	for key := range parameters {
		return invalid("the snapshot class has an unknown parameter %q; Mainstay's has none", key)
	}
	return nil
}

func describeSnapshot(s volume.Snapshot) *spec.Snapshot {
	return &spec.Snapshot{
		SnapshotId:      s.ID,
		SourceVolumeId:  s.Volume,
		SizeBytes:       s.Bytes,
		CreationTime:    timestamppb.New(s.Taken),
		ReadyToUse:      true,
		GroupSnapshotId: s.Group,
	}
}

func (c controller) DeleteSnapshot(_ context.Context, r *spec.DeleteSnapshotRequest) (*spec.DeleteSnapshotResponse, error) {
	if r.GetSnapshotId() == "" {
		return nil, invalid("no snapshot ID was given")
	}
	return &spec.DeleteSnapshotResponse{}, c.driver.Pool.DeleteSnapshot(r.GetSnapshotId())
}

// ListSnapshots gives snapshots in the order of their IDs, as ListVolumes does
// volumes: all of them, those of a volume, or one.
func (c controller) ListSnapshots(_ context.Context, r *spec.ListSnapshotsRequest) (*spec.ListSnapshotsResponse, error) {
	if r.GetMaxEntries() < 0 {
		return nil, invalid("the largest number of entries is negative: %d", r.GetMaxEntries())
	}
	wanted, err := c.wantedSnapshots(r)
	if err != nil {
		return nil, err
	}
	page, next, err := pageOf(wanted, func(s volume.Snapshot) string { return s.ID }, r.GetStartingToken(), int(r.GetMaxEntries()))
	if err != nil {
		return nil, err
	}
	response := &spec.ListSnapshotsResponse{NextToken: next}
	for _, s := range page {
		response.Entries = append(response.Entries, &spec.ListSnapshotsResponse_Entry{Snapshot: describeSnapshot(s)})
	}
	return response, nil
}

func (c controller) wantedSnapshots(r *spec.ListSnapshotsRequest) ([]volume.Snapshot, error) {
	if id := r.GetSnapshotId(); id != "" {
		s, err := c.driver.Pool.GetSnapshot(id)
		if errors.Is(err, volume.ErrNotFound) {
			return nil, nil
		}
		return []volume.Snapshot{s}, err
	}
	all, err := c.driver.Pool.ListSnapshots()
	return slices.DeleteFunc(all, func(s volume.Snapshot) bool {
		return r.GetSourceVolumeId() != "" && s.Volume != r.GetSourceVolumeId()
	}), err
}
