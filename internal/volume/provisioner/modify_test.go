package provisioner

import (
	"testing"

	"google.golang.org/grpc/codes"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The rules in their order.
func TestNextModify(t *testing.T) {
	const (
		inProgress = core.PersistentVolumeClaimModifyVolumeInProgress
		infeasible = core.PersistentVolumeClaimModifyVolumeInfeasible
		pending    = core.PersistentVolumeClaimModifyVolumePending
	)
	for _, c := range []struct {
		why        string
		bound      bool
		wants, has string
		target     string
		state      core.PersistentVolumeClaimModifyVolumeStatus
		uncertain  bool
		want       string
	}{
		{"not bound yet", false, "gold", "", "", "", false, ""},
		{"a change under way is finished first", true, "gold", "lead", "silver", inProgress, true, "silver"},
		{"even if nothing is wanted any more", true, "", "", "silver", inProgress, true, "silver"},
		{"of one that the driver refused it is known that nothing changed", true, "gold", "lead", "silver", inProgress, false, "gold"},
		{"nothing asked for", true, "", "", "", "", false, ""},
		{"has what it asks for", true, "gold", "gold", "", "", true, ""},
		{"asks for its former class again, after a failure", true, "lead", "lead", "gold", infeasible, false, "lead"},
		{"asks for another", true, "gold", "lead", "", "", true, "gold"},
		{"tried in vain", true, "gold", "lead", "gold", infeasible, true, "gold"},
		{"waits for a class", true, "gold", "lead", "gold", pending, true, "gold"},
	} {
		claim := &core.PersistentVolumeClaim{}
		if c.bound {
			claim.Status.Phase = core.ClaimBound
		}
		if c.wants != "" {
			claim.Spec.VolumeAttributesClassName = &c.wants
		}
		if c.has != "" {
			claim.Status.CurrentVolumeAttributesClassName = &c.has
		}
		if c.state != "" {
			claim.Status.ModifyVolumeStatus = &core.ModifyVolumeStatus{TargetVolumeAttributesClassName: c.target, Status: c.state}
		}
		if got, reason := nextModify(claim, c.uncertain); got != c.want || reason == "" {
			t.Errorf("%s: %q (%s), want %q", c.why, got, reason, c.want)
		}
	}
}

// What was told once is not written again, and a change that is done leaves
// nothing but its result.
func TestModifyStatus(t *testing.T) {
	early, late := meta.Unix(1_800_000_000, 0), meta.Unix(1_800_000_100, 0)
	s := core.PersistentVolumeClaimStatus{Phase: core.ClaimBound, Conditions: []core.PersistentVolumeClaimCondition{{Type: "Other"}}}
	waits := modifyWaits(s, "gold", early)
	started := modifyStarted(waits, "gold", early)
	failed := modifyFailed(started, "gold", codes.ResourceExhausted, "no performance", early)
	for what, pair := range map[string][2]core.PersistentVolumeClaimStatus{
		"waits":   {waits, modifyWaits(waits, "gold", late)},
		"started": {started, modifyStarted(started, "gold", late)},
		"failed":  {failed, modifyFailed(modifyStarted(failed, "gold", late), "gold", codes.ResourceExhausted, "no performance", late)},
	} {
		if !equality.Semantic.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s: told again: %+v, then %+v", what, pair[0], pair[1])
		}
	}
	if failed.ModifyVolumeStatus.Status != core.PersistentVolumeClaimModifyVolumeInfeasible || len(failed.Conditions) != 2 {
		t.Errorf("failed: %+v", failed)
	}
	if unknown := modifyFailed(started, "gold", codes.Internal, "the disk is gone", early); unknown.ModifyVolumeStatus.Status != core.PersistentVolumeClaimModifyVolumeInProgress {
		t.Errorf("nobody knows: %+v", unknown)
	}
	done := modifyDone(failed, "gold")
	if *done.CurrentVolumeAttributesClassName != "gold" || done.ModifyVolumeStatus != nil || len(done.Conditions) != 1 {
		t.Errorf("done: %+v", done)
	}
}
