package provisioner

import (
	"slices"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

type conditionType = core.PersistentVolumeClaimConditionType

// conditionOf gives the condition of that type; zero if there is none.
func conditionOf(s core.PersistentVolumeClaimStatus, of conditionType) core.PersistentVolumeClaimCondition {
	for _, c := range s.Conditions {
		if c.Type == of {
			return c
		}
	}
	return core.PersistentVolumeClaimCondition{}
}

// withoutCondition gives the status without the condition of that type. The old
// status is not changed.
func withoutCondition(old core.PersistentVolumeClaimStatus, of conditionType) core.PersistentVolumeClaimStatus {
	s := *old.DeepCopy()
	s.Conditions = slices.DeleteFunc(s.Conditions, func(c core.PersistentVolumeClaimCondition) bool { return c.Type == of })
	return s
}

// withCondition gives the status with this instead of the condition of its type. The
// old status is not changed.
func withCondition(old core.PersistentVolumeClaimStatus, of conditionType, is core.ConditionStatus, reason, message string, now meta.Time) core.PersistentVolumeClaimStatus {
	s := withoutCondition(old, of)
	s.Conditions = append(s.Conditions, core.PersistentVolumeClaimCondition{
		Type: of, Status: is, Reason: reason, Message: message, LastTransitionTime: now,
	})
	return s
}
