package provisioner

import (
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// nextModify names the volume attributes class that a claim's volume is to be
// changed to, and says why; empty when there is nothing to do. (KEP-3751)
//
// A change whose outcome is not known is finished before another begins: only
// then it is known what the volume has.
func nextModify(claim *core.PersistentVolumeClaim, uncertain bool) (class, reason string) {
	wants, has := ptr.Deref(claim.Spec.VolumeAttributesClassName, ""), ptr.Deref(claim.Status.CurrentVolumeAttributesClassName, "")
	status := claim.Status.ModifyVolumeStatus
	switch {
	case claim.Status.Phase != core.ClaimBound:
		return "", "the claim is not bound yet"
	case uncertain && status != nil && status.Status == core.PersistentVolumeClaimModifyVolumeInProgress:
		return status.TargetVolumeAttributesClassName, "a change to it began, and its outcome is not known"
	case wants == "":
		return "", "the claim asks for nothing"
	case wants == has && status == nil:
		return "", "the volume has what the claim asks for"
	}
	return wants, fmt.Sprintf("the claim asks for %s, and the volume has %q", wants, has)
}

// The states of a change as a claim's status shows them. Each gives the new
// status; the old one is not changed.

// modifyWaits: the class is not there.
func modifyWaits(s core.PersistentVolumeClaimStatus, class string, now meta.Time) core.PersistentVolumeClaimStatus {
	return withModify(s, &core.ModifyVolumeStatus{TargetVolumeAttributesClassName: class, Status: core.PersistentVolumeClaimModifyVolumePending},
		condition(s, core.PersistentVolumeClaimVolumeModifyVolumeError, codes.NotFound.String(),
			"There is no VolumeAttributesClass "+class+". The volume keeps what it has until somebody makes one, or the claim names another.", now))
}

func modifyStarted(s core.PersistentVolumeClaimStatus, class string, now meta.Time) core.PersistentVolumeClaimStatus {
	target := core.ModifyVolumeStatus{TargetVolumeAttributesClassName: class, Status: core.PersistentVolumeClaimModifyVolumeInProgress}
	if s.ModifyVolumeStatus != nil && s.ModifyVolumeStatus.TargetVolumeAttributesClassName == class && s.ModifyVolumeStatus.Status != core.PersistentVolumeClaimModifyVolumePending {
		return s // a repetition; what went wrong before stays to be read
	}
	return withModify(s, &target, condition(s, core.PersistentVolumeClaimVolumeModifyingVolume, "", "The volume is being changed to class "+class+".", now))
}

func modifyFailed(s core.PersistentVolumeClaimStatus, class string, code codes.Code, message string, now meta.Time) core.PersistentVolumeClaimStatus {
	target := &core.ModifyVolumeStatus{TargetVolumeAttributesClassName: class, Status: core.PersistentVolumeClaimModifyVolumeInProgress}
	if certain(code) {
		target.Status = core.PersistentVolumeClaimModifyVolumeInfeasible
	}
	return withModify(s, target, condition(s, core.PersistentVolumeClaimVolumeModifyVolumeError, code.String(), message, now))
}

func modifyDone(s core.PersistentVolumeClaimStatus, class string) core.PersistentVolumeClaimStatus {
	s = withModify(s, nil)
	s.CurrentVolumeAttributesClassName = &class
	return s
}

// certain: the driver said no, and has changed nothing.
func certain(code codes.Code) bool {
	return code == codes.InvalidArgument || code == codes.ResourceExhausted || code == codes.NotFound || code == codes.FailedPrecondition
}

// condition returns the one that the status has already if it says the same.
func condition(s core.PersistentVolumeClaimStatus, kind core.PersistentVolumeClaimConditionType, reason, message string, now meta.Time) core.PersistentVolumeClaimCondition {
	for _, c := range s.Conditions {
		if c.Type == kind && c.Status == core.ConditionTrue && c.Reason == reason && c.Message == message {
			return c
		}
	}
	return core.PersistentVolumeClaimCondition{Type: kind, Status: core.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: now}
}

// withModify replaces everything that the status says of a change.
func withModify(old core.PersistentVolumeClaimStatus, status *core.ModifyVolumeStatus, conditions ...core.PersistentVolumeClaimCondition) core.PersistentVolumeClaimStatus {
	s := *old.DeepCopy()
	s.Conditions = append(slices.DeleteFunc(s.Conditions, aboutModify), conditions...)
	s.ModifyVolumeStatus = status
	return s
}

func aboutModify(c core.PersistentVolumeClaimCondition) bool {
	return c.Type == core.PersistentVolumeClaimVolumeModifyingVolume || c.Type == core.PersistentVolumeClaimVolumeModifyVolumeError
}
