package csi

import (
	"context"
	"errors"
	"slices"
	"strings"

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
	pool, id, err := c.driver.Pools.Of(r.GetSourceVolumeId())
	if err != nil {
		return nil, err
	}
	s, err := pool.Snapshot(ctx, r.GetName(), id, pool.Lock)
	if err != nil {
		return nil, err
	}
	return &spec.CreateSnapshotResponse{Snapshot: describeSnapshot(pool, s)}, nil
}

// refuseParameters refuses what a snapshot class says: there is nothing to say.
func refuseParameters(parameters map[string]string) error {
	for key := range parameters {
		return invalid("the snapshot class has an unknown parameter %q; Mainstay's has none", key)
	}
	return nil
}

func describeSnapshot(pool *volume.Pool, s volume.Snapshot) *spec.Snapshot {
	d := &spec.Snapshot{
		SnapshotId:     pool.Handle(s.ID),
		SourceVolumeId: pool.Handle(s.Volume),
		SizeBytes:      s.Bytes,
		CreationTime:   timestamppb.New(s.Taken),
		ReadyToUse:     true,
	}
	if s.Group != "" {
		d.GroupSnapshotId = pool.Handle(s.Group)
	}
	return d
}

func (c controller) DeleteSnapshot(_ context.Context, r *spec.DeleteSnapshotRequest) (*spec.DeleteSnapshotResponse, error) {
	if r.GetSnapshotId() == "" {
		return nil, invalid("no snapshot ID was given")
	}
	pool, id, err := c.driver.Pools.Of(r.GetSnapshotId())
	if err != nil {
		return nil, err
	}
	return &spec.DeleteSnapshotResponse{}, pool.DeleteSnapshot(id)
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
	page, next, err := pageOf(wanted, (*spec.Snapshot).GetSnapshotId, r.GetStartingToken(), int(r.GetMaxEntries()))
	if err != nil {
		return nil, err
	}
	response := &spec.ListSnapshotsResponse{NextToken: next}
	for _, s := range page {
		response.Entries = append(response.Entries, &spec.ListSnapshotsResponse_Entry{Snapshot: s})
	}
	return response, nil
}

func (c controller) wantedSnapshots(r *spec.ListSnapshotsRequest) ([]*spec.Snapshot, error) {
	if handle := r.GetSnapshotId(); handle != "" {
		pool, id, err := c.driver.Pools.Of(handle)
		if errors.Is(err, volume.ErrNoPool) {
			return nil, nil // it is another node's
		}
		if err != nil {
			return nil, err
		}
		s, err := pool.GetSnapshot(id)
		if errors.Is(err, volume.ErrNotFound) {
			return nil, nil
		}
		return []*spec.Snapshot{describeSnapshot(pool, s)}, err
	}
	var all []*spec.Snapshot
	for _, pool := range c.driver.Pools.All() {
		of, err := pool.ListSnapshots()
		if err != nil {
			return nil, err
		}
		for _, s := range of {
			if from := r.GetSourceVolumeId(); from == "" || from == pool.Handle(s.Volume) {
				all = append(all, describeSnapshot(pool, s))
			}
		}
	}
	slices.SortFunc(all, func(a, b *spec.Snapshot) int { return strings.Compare(a.GetSnapshotId(), b.GetSnapshotId()) })
	return all, nil
}
