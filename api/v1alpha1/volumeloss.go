package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// VolumeLoss says what becomes of a pet whose volume is on a node that is lost, and on
// no other: on that node's own disk.
type VolumeLoss struct {
	// Wait: the pet waits for the node. Recreate: it gets a new claim, as from the
	// template, and starts elsewhere with an empty volume. That is for applications
	// that fill it from their other pets. RestoreSnapshot: the same, with what the
	// newest VolumeSnapshot of the claim has that is ready to use; without one, the pet
	// waits. That is for drivers that keep snapshots elsewhere than the volume: those of
	// Mainstay's own volumes are lost with it. No more pets at once do so than
	// updateStrategy.rollingUpdate.maxUnavailable says, 1 if it does not; the next
	// one when the one before it is available. The former volume is kept, with the
	// annotation mainstay.dev/lost, and no claim is bound to it by itself.
	// +kubebuilder:default=Wait
	// +optional
	Policy VolumeLossPolicy `json:"policy,omitempty"`
	// How long a node must have been fenced, or gone from the cluster, before its
	// volumes count as lost: `90s`, `10m`, `1h30m`.
	// +kubebuilder:default="10m"
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}(s|m|h)){1,3}$`
	// +optional
	After *metav1.Duration `json:"after,omitempty"`
}

// VolumeLossPolicy says whether a pet gets another volume for one that is lost.
//
// +kubebuilder:validation:Enum=Wait;Recreate;RestoreSnapshot
type VolumeLossPolicy string

// The policies.
const (
	VolumeLossWait            VolumeLossPolicy = "Wait"
	VolumeLossRecreate        VolumeLossPolicy = "Recreate"
	VolumeLossRestoreSnapshot VolumeLossPolicy = "RestoreSnapshot"
)
