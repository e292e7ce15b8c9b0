package cli

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

// adoptionView is what is there.
type adoptionView struct {
	from, to     setKind
	namespace    string
	name         string
	dropFeatures bool
	// old and new set; nil when there is none.
	old, new *unstructured.Unstructured
	// pods of either of them, and those of their names that have no owner.
	pods []corev1.Pod
	// claims that the old set owns.
	claims []corev1.PersistentVolumeClaim
}

func (v adoptionView) oldName() string { return v.from.word() + "/" + v.name }

func (v adoptionView) newName() string { return v.to.word() + "/" + v.name }

// concerns: the pod is one of the old or the new set, or of nobody and has the
// name and the labels of one.
func (v adoptionView) concerns(pod corev1.Pod) bool {
	if _, ok := ordinalOf(pod.Name, v.name); !ok {
		return false
	}
	for _, set := range []*unstructured.Unstructured{v.old, v.new} {
		if set == nil {
			continue
		}
		if owned(pod.OwnerReferences, set.GetUID()) {
			return true
		}
		if metav1.GetControllerOf(&pod) == nil && selects(set, pod.Labels) {
			return true
		}
	}
	return false
}

func owned(owners []metav1.OwnerReference, by types.UID) bool {
	return slices.ContainsFunc(owners, func(owner metav1.OwnerReference) bool { return owner.UID == by })
}

// look reads what is there, and decides. The old set is read first: what is made
// of it later cannot be older.
func (a *adopter) look(ctx context.Context) (step adoptionStep, err error) {
	v := &a.view
	if v.old, err = a.get(ctx, v.from); err != nil {
		return step, err
	}
	if v.new, err = a.get(ctx, v.to); err != nil {
		return step, err
	}
	pods, err := a.client.CoreV1().Pods(v.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return step, err
	}
	claims, err := a.client.CoreV1().PersistentVolumeClaims(v.namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return step, err
	}
	v.pods = slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return !v.concerns(pod) })
	v.claims = slices.DeleteFunc(claims.Items, func(claim corev1.PersistentVolumeClaim) bool {
		return v.old == nil || !owned(claim.OwnerReferences, v.old.GetUID())
	})
	return v.next()
}

func (a *adopter) get(ctx context.Context, kind setKind) (*unstructured.Unstructured, error) {
	set, err := a.sets(kind).Get(ctx, a.view.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return set, err
}

func (a *adopter) sets(kind setKind) dynamic.ResourceInterface {
	return a.objects.Resource(kind.resource).Namespace(a.view.namespace)
}
