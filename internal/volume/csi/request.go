package csi

import (
	"strings"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Keys under this prefix come from the provisioner, not from a class's author.
const (
	metadataPrefix       = "csi.storage.k8s.io/"
	claimNameKey         = metadataPrefix + "pvc/name"
	claimNamespaceKey    = metadataPrefix + "pvc/namespace"
	persistentVolumeName = metadataPrefix + "pv/name"
)

var metadataKeys = map[string]bool{claimNameKey: true, claimNamespaceKey: true, persistentVolumeName: true}

// volumeSpec translates a request to create a volume on the named node. Errors
// have the codes InvalidArgument, or ResourceExhausted if the volume is wanted
// on other nodes only.
func volumeSpec(r *spec.CreateVolumeRequest, nodeName string) (volume.Spec, error) {
	if r.GetName() == "" {
		return volume.Spec{}, invalid("no volume name was given")
	}
	fs, err := fileSystemFor(r.GetVolumeCapabilities())
	if err != nil {
		return volume.Spec{}, err
	}
	for key := range r.GetParameters() {
		if !metadataKeys[key] {
			return volume.Spec{}, invalid("volume %s: the class has an unknown parameter %q", r.GetName(), key)
		}
	}
	for key := range r.GetMutableParameters() {
		return volume.Spec{}, invalid("volume %s: the volume attributes class has an unknown parameter %q", r.GetName(), key)
	}
	if !reachable(r.GetAccessibilityRequirements(), nodeName) {
		return volume.Spec{}, status.Errorf(codes.ResourceExhausted,
			"volume %s is wanted on other nodes, and node %s makes volumes for itself only", r.GetName(), nodeName)
	}
	return volume.Spec{
		Name:          r.GetName(),
		RequiredBytes: r.GetCapacityRange().GetRequiredBytes(),
		LimitBytes:    r.GetCapacityRange().GetLimitBytes(),
		FileSystem:    fs,
		Claim:         claimOf(r.GetParameters()),
	}, nil
}

// reachable says whether a volume on the node meets the requirements. None are
// always met.
func reachable(r *spec.TopologyRequirement, nodeName string) bool {
	if len(r.GetRequisite()) == 0 && len(r.GetPreferred()) == 0 {
		return true
	}
	for _, t := range append(r.GetRequisite(), r.GetPreferred()...) {
		if contains(t, nodeName) {
			return true
		}
	}
	return false
}

// contains says whether the node is in the topology.
func contains(t *spec.Topology, nodeName string) bool {
	for key, value := range t.GetSegments() {
		if key != TopologyKey || value != nodeName {
			return false
		}
	}
	return true
}

func claimOf(parameters map[string]string) string {
	return strings.Trim(parameters[claimNamespaceKey]+"/"+parameters[claimNameKey], "/")
}

func topologyOf(nodeName string) *spec.Topology {
	return &spec.Topology{Segments: map[string]string{TopologyKey: nodeName}}
}
