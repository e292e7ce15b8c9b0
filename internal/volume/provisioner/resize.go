package provisioner

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// resizeStep is what a claim's size calls for.
type resizeStep string

const (
	// resizeNothing: nothing, or it is kubelet's turn.
	resizeNothing resizeStep = "nothing"
	// resizeExpand: the volume must be enlarged, then handed to kubelet.
	resizeExpand resizeStep = "expand"
	// resizeForget: an enlargement that failed is not wanted any more.
	resizeForget resizeStep = "forget"
)

// nextResize says what to do for a claim that is bound to v, up to which size
// in bytes, and why. The first rule that matches wins. (KEP-1790)
func nextResize(claim *core.PersistentVolumeClaim, v *core.PersistentVolume) (step resizeStep, size int64, reason string) {
	has, known := claim.Status.Capacity[core.ResourceStorage]
	wants := claim.Spec.Resources.Requests[core.ResourceStorage]
	status := claim.Status.AllocatedResourceStatuses[core.ResourceStorage]
	allocated := claim.Status.AllocatedResources[core.ResourceStorage]
	onNode := status == core.PersistentVolumeClaimNodeResizePending ||
		status == core.PersistentVolumeClaimNodeResizeInProgress ||
		status == core.PersistentVolumeClaimNodeResizeInfeasible
	switch {
	case !known:
		return resizeNothing, 0, "the claim is not bound yet"
	case wants.Cmp(has) <= 0 && status != "" && !onNode:
		return resizeForget, 0, "the claim wants no more than it has"
	case wants.Cmp(has) <= 0:
		return resizeNothing, 0, "the claim has what it wants"
	case onNode && allocated.Cmp(wants) >= 0:
		return resizeNothing, 0, "kubelet enlarges the file system"
	}
	// A volume that an earlier attempt has enlarged further stays so.
	inPool := v.Spec.Capacity[core.ResourceStorage]
	return resizeExpand, max(bytesOf(wants), bytesOf(inPool)), fmt.Sprintf("the claim wants %s and has %s", wants.String(), has.String())
}

// The states of an enlargement as a claim's status shows them. Each gives the
// new status; the old one is not changed.

func resizeStarted(s core.PersistentVolumeClaimStatus, size int64) core.PersistentVolumeClaimStatus {
	allocated := s.AllocatedResources[core.ResourceStorage]
	if s.AllocatedResourceStatuses[core.ResourceStorage] != "" && allocated.Value() == size {
		return s // a repetition; what went wrong before stays to be read
	}
	return withResize(s, core.PersistentVolumeClaimControllerResizeInProgress, size)
}

func resizeWaitsForNode(s core.PersistentVolumeClaimStatus, size int64, now meta.Time) core.PersistentVolumeClaimStatus {
	return withResize(s, core.PersistentVolumeClaimNodeResizePending, size, core.PersistentVolumeClaimCondition{
		Type: core.PersistentVolumeClaimFileSystemResizePending, Status: core.ConditionTrue, LastTransitionTime: now,
		Message: "The volume is larger; its file system follows as soon as a pod uses it.",
	})
}

func resizeFailed(s core.PersistentVolumeClaimStatus, size int64, code codes.Code, message string, now meta.Time) core.PersistentVolumeClaimStatus {
	state := core.PersistentVolumeClaimControllerResizeInProgress
	switch code {
	case codes.ResourceExhausted, codes.OutOfRange, codes.InvalidArgument:
		state = core.PersistentVolumeClaimControllerResizeInfeasible
	}
	for _, c := range s.Conditions {
		if c.Type == core.PersistentVolumeClaimControllerResizeError && c.Reason == code.String() {
			return withResize(s, state, size, c) // told already; free space in the message would change it each time
		}
	}
	return withResize(s, state, size, core.PersistentVolumeClaimCondition{
		Type: core.PersistentVolumeClaimControllerResizeError, Status: core.ConditionTrue, LastTransitionTime: now,
		Reason: code.String(), Message: message + " (the claim may be set back to any size down to its present capacity)",
	})
}

func resizeForgotten(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
	s = withResize(s, "", 0)
	delete(s.AllocatedResources, core.ResourceStorage)
	delete(s.AllocatedResourceStatuses, core.ResourceStorage)
	return s
}

// withResize replaces everything that the status says of an enlargement.
func withResize(old core.PersistentVolumeClaimStatus, state core.ClaimResourceStatus, size int64, conditions ...core.PersistentVolumeClaimCondition) core.PersistentVolumeClaimStatus {
	s := *old.DeepCopy()
	s.Conditions = append(slices.DeleteFunc(s.Conditions, aboutResize), conditions...)
	if s.AllocatedResources == nil {
		s.AllocatedResources = core.ResourceList{}
	}
	s.AllocatedResources[core.ResourceStorage] = *resource.NewQuantity(size, resource.BinarySI)
	if s.AllocatedResourceStatuses == nil {
		s.AllocatedResourceStatuses = map[core.ResourceName]core.ClaimResourceStatus{}
	}
	s.AllocatedResourceStatuses[core.ResourceStorage] = state
	return s
}

func aboutResize(c core.PersistentVolumeClaimCondition) bool {
	switch c.Type {
	case core.PersistentVolumeClaimResizing, core.PersistentVolumeClaimFileSystemResizePending,
		core.PersistentVolumeClaimControllerResizeError, core.PersistentVolumeClaimNodeResizeError:
		return true
	}
	return false
}
