package csi

import (
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
)

// Two calls for one thing have the same subject, whatever they call it; a
// snapshot's is never that of a volume or of a group.
func TestSubjectOf(t *testing.T) {
	for _, c := range []struct {
		request any
		want    string
	}{
		{&spec.ListSnapshotsRequest{SnapshotId: "x", SourceVolumeId: "v"}, ""},
		{&spec.CreateVolumeRequest{Name: "x"}, "x"},
		{&spec.DeleteVolumeRequest{VolumeId: "x"}, "x"},
		{&spec.NodeStageVolumeRequest{VolumeId: "x"}, "x"},
		{&spec.CreateSnapshotRequest{Name: "x", SourceVolumeId: "v"}, ".snapshot-x"},
		{&spec.DeleteSnapshotRequest{SnapshotId: "x"}, ".snapshot-x"},
		{&spec.CreateVolumeGroupSnapshotRequest{Name: "x", SourceVolumeIds: []string{"v"}}, ".group-x"},
		{&spec.DeleteVolumeGroupSnapshotRequest{GroupSnapshotId: "x"}, ".group-x"},
	} {
		if got := subjectOf(c.request); got != c.want {
			t.Errorf("%T: %q, want %q", c.request, got, c.want)
		}
	}
}
