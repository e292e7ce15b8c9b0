package cli

import (
	"fmt"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// features lists what a PetSet asks for and a StatefulSet has no field for.
// recovery, failover and volumeLoss are not among them: a StatefulSet has them by
// annotations.
func features(spec v1alpha1.PetSetSpec) (used []string) {
	note := func(uses bool, what string) {
		if uses {
			used = append(used, what)
		}
	}
	note(spec.Ordinals != nil && len(spec.Ordinals.Reserved) > 0, "spec.ordinals.reserved")
	if rolling := spec.UpdateStrategy.RollingUpdate; rolling != nil {
		const at = "spec.updateStrategy.rollingUpdate."
		note(rolling.Order != "" && rolling.Order != v1alpha1.Descending, at+"order: "+string(rolling.Order))
		note(rolling.Paused, at+"paused: the StatefulSet's update goes on at once")
		note(rolling.InPlace == v1alpha1.InPlaceIfPossible, at+"inPlace: IfPossible")
	}
	note(len(spec.Overrides) > 0, "spec.overrides: the pods of these ordinals restart without them")
	note(len(spec.DependsOn) > 0, "spec.dependsOn")
	note(spec.Drain != nil, "spec.drain")
	return used
}

// ordinalsDiffer names a pet that a StatefulSet of the same size would not have:
// no flag is enough to lose it.
func ordinalsDiffer(spec v1alpha1.PetSetSpec, name string, pods []corev1.Pod) string {
	if spec.Ordinals == nil || len(spec.Ordinals.Reserved) == 0 {
		return ""
	}
	start, wanted := int(spec.Ordinals.Start), int(wantedReplicas(spec.Replicas))
	for _, pod := range pods {
		ordinal, ok := ordinalOf(pod.Name, name)
		if ok && (ordinal < start || ordinal >= start+wanted) {
			return pod.Name
		}
	}
	return ""
}

// ordinalOf takes the name of a set's pod apart.
func ordinalOf(pod, set string) (ordinal int, ok bool) {
	digits, ok := strings.CutPrefix(pod, set+"-")
	if !ok {
		return 0, false
	}
	ordinal, err := strconv.Atoi(digits)
	return ordinal, err == nil && strconv.Itoa(ordinal) == digits && ordinal >= 0
}

// rolling says what of a rollout is not done; empty when all pods should run the
// set's revision. With OnDelete there is no such end.
func rolling(set *v1alpha1.PetSet) string {
	wanted := wantedReplicas(set.Spec.Replicas)
	switch status := set.Status; {
	case status.ObservedGeneration < set.Generation:
		return "its last change was not looked at by its controller yet"
	case status.Replicas != wanted:
		return fmt.Sprintf("it has %d of %d pods", status.Replicas, wanted)
	case set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return ""
	case status.UpdatedReplicas < wanted:
		return fmt.Sprintf("%d of %d pods are updated", status.UpdatedReplicas, wanted)
	case status.CurrentRevision != status.UpdateRevision:
		return "its update is not finished"
	}
	return ""
}
