package csi

import (
	"fmt"
	"maps"
	"strings"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
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
	fs, err := kindFor(r)
	if err != nil {
		return volume.Spec{}, err
	}
	quality, err := qualityOf(r)
	if err != nil {
		return volume.Spec{}, err
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
		Quality:       quality,
		Claim:         claimOf(r.GetParameters()),
	}, nil
}

// qualityOf reads what the class says, and then the volume attributes class,
// which has the last word.
func qualityOf(r *spec.CreateVolumeRequest) (qos.Parameters, error) {
	class := maps.Clone(r.GetParameters())
	maps.DeleteFunc(class, func(key, _ string) bool {
		return metadataKeys[key] || key == volume.PoolParameter || key == volume.BackendParameter
	})
	quality, err := qos.Parameters{}.With(class)
	if err != nil {
		return quality, fmt.Errorf("volume %s, storage class: %w", r.GetName(), err)
	}
	if quality, err = quality.With(r.GetMutableParameters()); err != nil {
		return quality, fmt.Errorf("volume %s, volume attributes class: %w", r.GetName(), err)
	}
	return quality, nil
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
