package provisioner

import (
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The reasons of the condition VolumeAbnormal, and of its events: those of
// Kubernetes' external health monitor (KEP-1432).
const (
	reasonAbnormal = "VolumeConditionAbnormal"
	reasonNormal   = "VolumeConditionNormal"
)

// nextAbnormal gives the status of a claim with whose volume this is wrong, nil for
// nothing. The old status is not changed.
func nextAbnormal(s core.PersistentVolumeClaimStatus, ill error, now meta.Time) core.PersistentVolumeClaimStatus {
	told := conditionOf(s, v1alpha1.VolumeAbnormal)
	switch {
	case ill != nil && (told.Status != core.ConditionTrue || told.Message != ill.Error()):
		return withCondition(s, v1alpha1.VolumeAbnormal, core.ConditionTrue, reasonAbnormal, ill.Error(), now)
	case ill == nil && told.Status == core.ConditionTrue:
		return withCondition(s, v1alpha1.VolumeAbnormal, core.ConditionFalse, reasonNormal, "Nothing is wrong with the volume any more.", now)
	}
	return s
}
