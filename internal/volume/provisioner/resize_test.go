package provisioner

import (
	"testing"

	"google.golang.org/grpc/codes"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func size(s string) core.ResourceList {
	if s == "" {
		return nil
	}
	return core.ResourceList{core.ResourceStorage: resource.MustParse(s)}
}

func claimOfSize(wants, has string, allocated string, state core.ClaimResourceStatus) *core.PersistentVolumeClaim {
	claim := &core.PersistentVolumeClaim{}
	claim.Spec.Resources.Requests = size(wants)
	claim.Status.Capacity = size(has)
	claim.Status.AllocatedResources = size(allocated)
	if state != "" {
		claim.Status.AllocatedResourceStatuses = map[core.ResourceName]core.ClaimResourceStatus{core.ResourceStorage: state}
	}
	return claim
}

const gi = int64(1) << 30

// The rules in their order.
func TestNextResize(t *testing.T) {
	const (
		inProgress = core.PersistentVolumeClaimControllerResizeInProgress
		infeasible = core.PersistentVolumeClaimControllerResizeInfeasible
		pending    = core.PersistentVolumeClaimNodeResizePending
		onNode     = core.PersistentVolumeClaimNodeResizeInProgress
	)
	for _, c := range []struct {
		why                string
		wants, has, inPool string
		allocated          string
		state              core.ClaimResourceStatus
		wantStep           resizeStep
		wantSize           int64
	}{
		{"not bound yet", "1Gi", "", "1Gi", "", "", resizeNothing, 0},
		{"set back after a failure", "1Gi", "1Gi", "1Gi", "2Ti", infeasible, resizeForget, 0},
		{"set back while kubelet works", "1Gi", "1Gi", "2Gi", "2Gi", onNode, resizeNothing, 0},
		{"all is well", "1Gi", "1Gi", "1Gi", "", "", resizeNothing, 0},
		{"the volume was rounded up", "1Gi", "2Gi", "2Gi", "", "", resizeNothing, 0},
		{"kubelet will enlarge it", "2Gi", "1Gi", "2Gi", "2Gi", pending, resizeNothing, 0},
		{"kubelet enlarges it", "2Gi", "1Gi", "2Gi", "2Gi", onNode, resizeNothing, 0},
		{"grown again before kubelet was done", "3Gi", "1Gi", "2Gi", "2Gi", pending, resizeExpand, 3 * gi},
		{"grown", "2Gi", "1Gi", "1Gi", "", "", resizeExpand, 2 * gi},
		{"interrupted", "2Gi", "1Gi", "1Gi", "2Gi", inProgress, resizeExpand, 2 * gi},
		{"failed before", "2Gi", "1Gi", "1Gi", "2Gi", infeasible, resizeExpand, 2 * gi},
		{"set back in part, enlarged further", "2Gi", "1Gi", "3Gi", "3Gi", inProgress, resizeExpand, 3 * gi},
	} {
		v := &core.PersistentVolume{Spec: core.PersistentVolumeSpec{Capacity: size(c.inPool)}}
		step, bytes, reason := nextResize(claimOfSize(c.wants, c.has, c.allocated, c.state), v)
		if step != c.wantStep || bytes != c.wantSize || reason == "" {
			t.Errorf("%s: %s to %d because %q, want %s to %d", c.why, step, bytes, reason, c.wantStep, c.wantSize)
		}
	}
}

// Following the status that each step writes, an enlargement ends, and a
// forgotten one leaves no trace.
func TestResizeStatus(t *testing.T) {
	claim := claimOfSize("2Gi", "1Gi", "", "")
	claim.Status.Conditions = []core.PersistentVolumeClaimCondition{{Type: "Other"}}
	v := &core.PersistentVolume{Spec: core.PersistentVolumeSpec{Capacity: size("1Gi")}}
	expect := func(want resizeStep, conditions ...core.PersistentVolumeClaimConditionType) {
		t.Helper()
		if step, _, reason := nextResize(claim, v); step != want {
			t.Errorf("%s because %q, want %s", step, reason, want)
		}
		if len(claim.Status.Conditions) != 1+len(conditions) {
			t.Errorf("conditions %v, want Other and %v", claim.Status.Conditions, conditions)
		}
		for i, c := range conditions {
			if claim.Status.Conditions[1+i].Type != c {
				t.Errorf("conditions %v, want Other and %v", claim.Status.Conditions, conditions)
			}
		}
	}
	expect(resizeExpand)
	claim.Status = resizeStarted(claim.Status, 2*gi)
	expect(resizeExpand)
	claim.Status = resizeFailed(claim.Status, 2*gi, codes.ResourceExhausted, "full", meta.Time{})
	expect(resizeExpand, core.PersistentVolumeClaimControllerResizeError)
	claim.Status = resizeStarted(claim.Status, 2*gi)
	expect(resizeExpand, core.PersistentVolumeClaimControllerResizeError)

	failed := claim.DeepCopy()
	claim.Status = resizeWaitsForNode(claim.Status, 2*gi, meta.Time{})
	expect(resizeNothing, core.PersistentVolumeClaimFileSystemResizePending)

	claim = failed
	claim.Spec.Resources.Requests = size("1Gi")
	expect(resizeForget, core.PersistentVolumeClaimControllerResizeError)
	claim.Status = resizeForgotten(claim.Status)
	expect(resizeNothing)
	if len(claim.Status.AllocatedResources)+len(claim.Status.AllocatedResourceStatuses) != 0 {
		t.Errorf("left in the status: %+v", claim.Status)
	}
}
