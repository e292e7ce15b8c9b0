package csi

import (
	"testing"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func mounted(mode spec.VolumeCapability_AccessMode_Mode, fsType string, options ...string) *spec.VolumeCapability {
	return &spec.VolumeCapability{
		AccessMode: &spec.VolumeCapability_AccessMode{Mode: mode},
		AccessType: &spec.VolumeCapability_Mount{Mount: &spec.VolumeCapability_MountVolume{FsType: fsType, MountFlags: options}},
	}
}

func block(mode spec.VolumeCapability_AccessMode_Mode) *spec.VolumeCapability {
	return &spec.VolumeCapability{
		AccessMode: &spec.VolumeCapability_AccessMode{Mode: mode},
		AccessType: &spec.VolumeCapability_Block{Block: &spec.VolumeCapability_BlockVolume{}},
	}
}

const writer = spec.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER

func request(change func(*spec.CreateVolumeRequest)) *spec.CreateVolumeRequest {
	r := &spec.CreateVolumeRequest{Name: "pvc-1", VolumeCapabilities: []*spec.VolumeCapability{mounted(writer, "")}}
	change(r)
	return r
}

// directory asks for a volume of that backend.
func directory(capability *spec.VolumeCapability) func(*spec.CreateVolumeRequest) {
	return func(r *spec.CreateVolumeRequest) {
		r.Parameters, r.VolumeCapabilities = map[string]string{"backend": "directory"}, []*spec.VolumeCapability{capability}
	}
}

func on(nodes ...string) (topologies []*spec.Topology) {
	for _, n := range nodes {
		topologies = append(topologies, topologyOf(n))
	}
	return topologies
}

// The rules in the order in which volumeSpec applies them.
func TestVolumeSpecRefuses(t *testing.T) {
	for _, c := range []struct {
		why    string
		change func(*spec.CreateVolumeRequest)
		want   codes.Code
	}{
		{"nothing is wrong", func(*spec.CreateVolumeRequest) {}, codes.OK},
		{"no name", func(r *spec.CreateVolumeRequest) { r.Name = "" }, codes.InvalidArgument},
		{"no capability", func(r *spec.CreateVolumeRequest) { r.VolumeCapabilities = nil }, codes.InvalidArgument},
		{"a mode for many nodes", func(r *spec.CreateVolumeRequest) {
			r.VolumeCapabilities = []*spec.VolumeCapability{mounted(spec.VolumeCapability_AccessMode_MULTI_NODE_MULTI_WRITER, "")}
		}, codes.InvalidArgument},
		{"neither mount nor block", func(r *spec.CreateVolumeRequest) { r.VolumeCapabilities[0].AccessType = nil }, codes.InvalidArgument},
		{"an unknown file system", func(r *spec.CreateVolumeRequest) {
			r.VolumeCapabilities = []*spec.VolumeCapability{mounted(writer, "ntfs")}
		}, codes.InvalidArgument},
		{"mount and block at once", func(r *spec.CreateVolumeRequest) {
			r.VolumeCapabilities = append(r.VolumeCapabilities, block(writer))
		}, codes.InvalidArgument},
		{"an unknown parameter", func(r *spec.CreateVolumeRequest) { r.Parameters = map[string]string{"speed": "5"} }, codes.InvalidArgument},
		{"an unknown mutable parameter", func(r *spec.CreateVolumeRequest) { r.MutableParameters = map[string]string{"speed": "5"} }, codes.InvalidArgument},
		{"a minimum of one class above the other's maximum", func(r *spec.CreateVolumeRequest) {
			r.Parameters, r.MutableParameters = map[string]string{"maxIops": "500"}, map[string]string{"minIops": "501"}
		}, codes.InvalidArgument},
		{"an unknown backend", func(r *spec.CreateVolumeRequest) { r.Parameters = map[string]string{"backend": "lvm"} }, codes.InvalidArgument},
		{"the usual backend", func(r *spec.CreateVolumeRequest) { r.Parameters = map[string]string{"backend": "file"} }, codes.OK},
		{"a directory", directory(mounted(writer, "")), codes.OK},
		{"a directory as raw blocks", directory(block(writer)), codes.InvalidArgument},
		{"a directory with a file system of its own", directory(mounted(writer, "ext4")), codes.InvalidArgument},
		{"a directory with a mount option of a whole file system", directory(mounted(writer, "", "data=journal")), codes.InvalidArgument},
		{"a directory with one of its own", directory(mounted(writer, "", "nosuid")), codes.OK},
		{"wanted elsewhere", func(r *spec.CreateVolumeRequest) {
			r.AccessibilityRequirements = &spec.TopologyRequirement{Requisite: on("b", "c")}
		}, codes.ResourceExhausted},
		{"wanted here or elsewhere", func(r *spec.CreateVolumeRequest) {
			r.AccessibilityRequirements = &spec.TopologyRequirement{Requisite: on("b", "a")}
		}, codes.OK},
	} {
		if _, err := volumeSpec(request(c.change), "a"); status.Code(withCode(err)) != c.want {
			t.Errorf("%s: %v, want %s", c.why, err, c.want)
		}
	}
}

func TestVolumeSpecTranslates(t *testing.T) {
	got, err := volumeSpec(request(func(r *spec.CreateVolumeRequest) {
		r.VolumeCapabilities = []*spec.VolumeCapability{block(writer)}
		r.CapacityRange = &spec.CapacityRange{RequiredBytes: 5, LimitBytes: 7}
		r.Parameters = map[string]string{claimNamespaceKey: "shop", claimNameKey: "data-db-0", "minIops": "500", "maxIops": "1k"}
		r.MutableParameters = map[string]string{"maxIops": "2k"}
	}), "a")
	want := volume.Spec{Name: "pvc-1", RequiredBytes: 5, LimitBytes: 7, FileSystem: volume.RawBlock, Claim: "shop/data-db-0",
		Quality: qos.Parameters{MinIOPS: 500, MaxIOPS: 2000}}
	if err != nil || got != want {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
}

func TestDirectoriesAreAskedFor(t *testing.T) {
	if got, err := volumeSpec(request(directory(mounted(writer, ""))), "a"); err != nil || got != (volume.Spec{Name: "pvc-1", FileSystem: volume.Directory}) {
		t.Errorf("got %+v (%v)", got, err)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		why        string
		has        volume.FileSystem
		capability *spec.VolumeCapability
		want       codes.Code
	}{
		{"no capability", volume.Ext4, nil, codes.InvalidArgument},
		{"the same file system", volume.XFS, mounted(writer, "xfs"), codes.OK},
		{"any file system", volume.XFS, mounted(writer, ""), codes.OK},
		{"another file system", volume.XFS, mounted(writer, "ext4"), codes.InvalidArgument},
		{"raw blocks as such", volume.RawBlock, block(writer), codes.OK},
		{"a directory", volume.Directory, mounted(writer, ""), codes.OK},
		{"a directory as a file system", volume.Directory, mounted(writer, "ext4"), codes.InvalidArgument},
		{"a directory as raw blocks", volume.Directory, block(writer), codes.InvalidArgument},
		{"raw blocks mounted", volume.RawBlock, mounted(writer, ""), codes.InvalidArgument},
		{"a file system as raw blocks", volume.Ext4, block(writer), codes.InvalidArgument},
	} {
		if err := matches(volume.Record{ID: "v", FileSystem: c.has}, c.capability); status.Code(err) != c.want {
			t.Errorf("%s: %v, want %s", c.why, err, c.want)
		}
	}
}
