// Package drain empties a node for planned work: its pods move one by one, in an
// order that hurts the applications least.
package drain

import (
	"cmp"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// Leaders says by which labels the pods of a set lead: of those PetSets that name them.
type Leaders map[types.UID]labels.Selector

// Next is the pod that moves next: first those that belong to no set, for they use
// the databases; then the pets, from the highest ordinal down; and those last that lead
// their set at that moment. Sets that are equal in this go by name.
func Next(pods []corev1.Pod, leaders Leaders) corev1.Pod {
	return slices.MinFunc(pods, func(a, b corev1.Pod) int {
		return cmp.Or(
			cmp.Compare(rank(a, leaders), rank(b, leaders)),
			cmp.Compare(Ordinal(b), Ordinal(a)),
			cmp.Compare(a.Namespace, b.Namespace),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

func rank(pod corev1.Pod, leaders Leaders) int {
	switch {
	case !IsPet(pod):
		return 0
	case Leads(pod, leaders):
		return 2
	default:
		return 1
	}
}

// IsPet tells that the pod has an identity, and comes back under the same name.
func IsPet(pod corev1.Pod) bool {
	owner := metav1.GetControllerOf(&pod)
	return owner != nil && (owner.Kind == "StatefulSet" || owner.Kind == petset.PetSetKind.Kind)
}

// Leads tells that the pod carries the labels of its set's leader.
func Leads(pod corev1.Pod, leaders Leaders) bool {
	owner := metav1.GetControllerOf(&pod)
	if owner == nil {
		return false
	}
	selector := leaders[owner.UID]
	return selector != nil && selector.Matches(labels.Set(pod.Labels))
}

// Ordinal is the pet's in its set; -1 where it is not told.
func Ordinal(pod corev1.Pod) int {
	index, err := strconv.Atoi(pod.Labels[appsv1.PodIndexLabel])
	if err != nil {
		return -1
	}
	return index
}
