package snapshots

import (
	"testing"

	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// The rules in their order.
func TestOfContent(t *testing.T) {
	for _, c := range []struct {
		why    string
		driver string
		taken  *string // the handle in the status
		source snapshot.VolumeSnapshotContentSource
		want   evidence
	}{
		{"another driver's", "nfs.example.com", nil, snapshot.VolumeSnapshotContentSource{VolumeHandle: ptr.To("v")}, evidence{}},
		{"taken; its volume may be gone", volume.DriverName, ptr.To("s"), snapshot.VolumeSnapshotContentSource{VolumeHandle: ptr.To("v")}, evidence{snapshot: "s"}},
		{"brought by the administrator", volume.DriverName, nil, snapshot.VolumeSnapshotContentSource{SnapshotHandle: ptr.To("s")}, evidence{snapshot: "s"}},
		{"to be taken", volume.DriverName, nil, snapshot.VolumeSnapshotContentSource{VolumeHandle: ptr.To("v")}, evidence{volume: "v"}},
		{"of nothing", volume.DriverName, nil, snapshot.VolumeSnapshotContentSource{}, evidence{}},
	} {
		content := &snapshot.VolumeSnapshotContent{Spec: snapshot.VolumeSnapshotContentSpec{Driver: c.driver, Source: c.source}}
		if c.taken != nil {
			content.Status = &snapshot.VolumeSnapshotContentStatus{SnapshotHandle: c.taken}
		}
		if got := ofContent(content); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.why, got, c.want)
		}
	}
}

func TestOfGroup(t *testing.T) {
	for _, c := range []struct {
		why    string
		driver string
		source groupsnapshot.VolumeGroupSnapshotContentSource
		want   evidence
	}{
		{"another driver's", "nfs.example.com", groupsnapshot.VolumeGroupSnapshotContentSource{VolumeHandles: []string{"v"}}, evidence{}},
		{
			"brought by the administrator", volume.DriverName,
			groupsnapshot.VolumeGroupSnapshotContentSource{GroupSnapshotHandles: &groupsnapshot.GroupSnapshotHandles{VolumeSnapshotHandles: []string{"s", "t"}}},
			evidence{snapshot: "s"},
		},
		{"to be taken", volume.DriverName, groupsnapshot.VolumeGroupSnapshotContentSource{VolumeHandles: []string{"v", "w"}}, evidence{volume: "v"}},
		{"of nothing", volume.DriverName, groupsnapshot.VolumeGroupSnapshotContentSource{}, evidence{}},
	} {
		content := &groupsnapshot.VolumeGroupSnapshotContent{Spec: groupsnapshot.VolumeGroupSnapshotContentSpec{Driver: c.driver, Source: c.source}}
		if got := ofGroup(content); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.why, got, c.want)
		}
	}
}
