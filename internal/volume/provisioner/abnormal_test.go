package provisioner

import (
	"errors"
	"testing"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

func TestNextAbnormal(t *testing.T) {
	told := func(is core.ConditionStatus, message string) []core.PersistentVolumeClaimCondition {
		return []core.PersistentVolumeClaimCondition{{Type: v1alpha1.VolumeAbnormal, Status: is, Message: message}}
	}
	for _, c := range []struct {
		why     string
		before  []core.PersistentVolumeClaimCondition
		ill     error
		status  core.ConditionStatus // empty: there is none
		reason  string
		written bool // a new condition
	}{
		{"all is well", nil, nil, "", "", false},
		{"it begins", nil, errors.New("cut"), core.ConditionTrue, reasonAbnormal, true},
		{"it begins again", told(core.ConditionFalse, "well"), errors.New("cut"), core.ConditionTrue, reasonAbnormal, true},
		{"it goes on", told(core.ConditionTrue, "cut"), errors.New("cut"), core.ConditionTrue, "", false},
		{"something else is wrong", told(core.ConditionTrue, "cut"), errors.New("gone"), core.ConditionTrue, reasonAbnormal, true},
		{"it is over", told(core.ConditionTrue, "cut"), nil, core.ConditionFalse, reasonNormal, true},
		{"it is over, told already", told(core.ConditionFalse, "well"), nil, core.ConditionFalse, "", false},
	} {
		after := nextAbnormal(core.PersistentVolumeClaimStatus{Conditions: c.before}, c.ill, meta.Now())
		got := conditionOf(after, v1alpha1.VolumeAbnormal)
		if got.Status != c.status || got.Reason != c.reason || got.LastTransitionTime.IsZero() == c.written {
			t.Errorf("%s: %+v", c.why, got)
		}
		if c.ill != nil && got.Message != c.ill.Error() {
			t.Errorf("%s: it says %q", c.why, got.Message)
		}
	}
}
