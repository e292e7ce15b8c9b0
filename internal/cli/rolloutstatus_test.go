package cli

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// TestRolloutProgress runs a scenario file: a set of three pets, all ready and
// updated but for its arguments, below it its conditions, and what `rollout
// status` says. Run it with -rewrite to write down what it says now.
//
//	progress replicas=N pods=N ready=N updated=N partition=N paused onDelete unobserved
//	waits MESSAGE
//	stuck REASON MESSAGE
func TestRolloutProgress(t *testing.T) {
	datadriven.RunTest(t, "testdata/rollout_status.txt", func(t *testing.T, d *datadriven.TestData) string {
		line, done, err := rolloutProgress(setFrom(t, d))
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		return fmt.Sprintf("%s\ndone: %v\n", line, done)
	})
}

func setFrom(t *testing.T, d *datadriven.TestData) *v1alpha1.PetSet {
	number := func(word string, otherwise int32) int32 {
		n := int(otherwise)
		if d.HasArg(word) {
			d.ScanArgs(t, word, &n)
		}
		return int32(n)
	}
	set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2}}
	all := number("replicas", 3)
	set.Spec.Replicas = ptr.To(all)
	set.Status = v1alpha1.PetSetStatus{
		ObservedGeneration: 2, Replicas: number("pods", all), ReadyReplicas: number("ready", all), UpdatedReplicas: number("updated", all)}
	if d.HasArg("unobserved") {
		set.Status.ObservedGeneration = 1
	}
	set.Spec.UpdateStrategy.Type = appsv1.RollingUpdateStatefulSetStrategyType
	if d.HasArg("onDelete") {
		set.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType
	}
	if d.HasArg("partition") || d.HasArg("paused") {
		set.Spec.UpdateStrategy.RollingUpdate = &v1alpha1.RollingUpdate{Partition: ptr.To(number("partition", 0)), Paused: d.HasArg("paused")}
	}
	for _, line := range strings.Split(strings.TrimSpace(d.Input), "\n") {
		condition := metav1.Condition{Type: v1alpha1.ConditionProgressing, Status: metav1.ConditionTrue, Reason: "Working"}
		word, message, _ := strings.Cut(line, " ")
		if word == "stuck" {
			condition.Type = v1alpha1.ConditionStuck
			condition.Reason, message, _ = strings.Cut(message, " ")
		}
		if condition.Message = message; word != "" {
			set.Status.Conditions = append(set.Status.Conditions, condition)
		}
	}
	return set
}
