package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// adoptingAnnotation is on the new set until it has taken over. Whoever goes on
// with an adoption reads there how it began.
const adoptingAnnotation = "mainstay.dev/adopting"

// adoptionNote is what the annotation holds.
type adoptionNote struct {
	// Kind and UID of the old set.
	Kind string    `json:"kind"`
	UID  types.UID `json:"uid"`
	// Generation of the old set whose spec the new one has.
	Generation int64 `json:"generation"`
	// DeleteClaims: the set's claims go with the set. Neither says so while there
	// are two of them, so that none can take claims along that the other uses.
	DeleteClaims bool `json:"deleteClaims,omitempty"`
}

// noteOf returns nil when the set is not on its way.
func noteOf(set *unstructured.Unstructured) *adoptionNote {
	text, ok := set.GetAnnotations()[adoptingAnnotation]
	note := &adoptionNote{}
	if !ok || json.Unmarshal([]byte(text), note) != nil {
		return nil
	}
	return note
}

var whenDeleted = []string{"spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"}

func deletesClaims(set *unstructured.Unstructured) bool {
	policy, _, _ := unstructured.NestedString(set.Object, whenDeleted...)
	return policy == "Delete"
}

// copyOf makes the new set from the old one: its name, labels, annotations,
// owners and spec. What the new kind has no field for is left out.
func copyOf(old *unstructured.Unstructured, to setKind, note adoptionNote) (*unstructured.Unstructured, error) {
	made := &unstructured.Unstructured{Object: map[string]any{"spec": old.DeepCopy().Object["spec"]}}
	made.SetGroupVersionKind(to.kind)
	made.SetName(old.GetName())
	made.SetNamespace(old.GetNamespace())
	made.SetLabels(old.GetLabels())
	made.SetOwnerReferences(slices.DeleteFunc(old.GetOwnerReferences(), func(r metav1.OwnerReference) bool { return r.UID == old.GetUID() }))
	annotations := maps.Clone(old.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	made.SetAnnotations(annotations)
	if to == petSetKind {
		asPetSet(made)
	} else {
		asStatefulSet(made)
	}
	if note.DeleteClaims {
		if err := unstructured.SetNestedField(made.Object, "Retain", whenDeleted...); err != nil {
			return nil, err
		}
	}
	text, err := json.Marshal(note)
	if err != nil {
		return nil, err
	}
	annotations = made.GetAnnotations()
	annotations[adoptingAnnotation] = string(text)
	made.SetAnnotations(annotations)
	return made, nil
}

// volumeLossAnnotations are those of a StatefulSet, by the fields of volumeLoss.
var volumeLossAnnotations = map[string]string{"policy": v1alpha1.VolumeLossAnnotation, "after": v1alpha1.VolumeLossAfterAnnotation}

// asPetSet: every field of a StatefulSet is one of a PetSet. What it says by an
// annotation, a PetSet has a field for.
func asPetSet(set *unstructured.Unstructured) {
	spec := set.Object["spec"].(map[string]any)
	if template, ok := spec["template"].(map[string]any); ok {
		withoutCreationTime(template)
	}
	claims, _ := spec["volumeClaimTemplates"].([]any)
	for _, claim := range claims {
		if template, ok := claim.(map[string]any); ok {
			withoutCreationTime(template)
		}
	}
	annotations := set.GetAnnotations()
	if policy := annotations[v1alpha1.RecoveryAnnotation]; policy != "" {
		spec["recovery"] = map[string]any{"brokenRevision": policy}
		delete(annotations, v1alpha1.RecoveryAnnotation)
	}
	failover := map[string]any{}
	if policy := annotations[v1alpha1.FailoverAnnotation]; policy != "" {
		failover["policy"] = policy
		delete(annotations, v1alpha1.FailoverAnnotation)
	}
	if seconds, err := strconv.ParseInt(annotations[v1alpha1.FailoverAfterAnnotation], 10, 32); err == nil {
		failover["afterSeconds"] = seconds
		delete(annotations, v1alpha1.FailoverAfterAnnotation)
	}
	if len(failover) > 0 {
		spec["failover"] = failover
	}
	loss := map[string]any{}
	for field, annotation := range volumeLossAnnotations {
		if value := annotations[annotation]; value != "" {
			loss[field] = value
			delete(annotations, annotation)
		}
	}
	if len(loss) > 0 {
		spec["volumeLoss"] = loss
	}
	set.SetAnnotations(annotations)
}

// asStatefulSet leaves out what a StatefulSet has not; whoever calls it has seen
// to it that nobody misses it (see adoptfeatures.go).
func asStatefulSet(set *unstructured.Unstructured) {
	annotations := set.GetAnnotations()
	if policy, _, _ := unstructured.NestedString(set.Object, "spec", "recovery", "brokenRevision"); policy == string(v1alpha1.BrokenRevisionReplace) {
		annotations[v1alpha1.RecoveryAnnotation] = policy
	}
	if policy, _, _ := unstructured.NestedString(set.Object, "spec", "failover", "policy"); policy == v1alpha1.FailoverManual {
		annotations[v1alpha1.FailoverAnnotation] = policy
	}
	if seconds, _, _ := unstructured.NestedInt64(set.Object, "spec", "failover", "afterSeconds"); seconds > 0 {
		annotations[v1alpha1.FailoverAfterAnnotation] = strconv.FormatInt(seconds, 10)
	}
	for field, annotation := range volumeLossAnnotations {
		if value, _, _ := unstructured.NestedString(set.Object, "spec", "volumeLoss", field); value != "" {
			annotations[annotation] = value
		}
	}
	set.SetAnnotations(annotations)
	for _, field := range []string{
		"recovery", "failover", "volumeLoss", "overrides", "dependsOn", "drain", "ordinals.reserved",
		"updateStrategy.rollingUpdate.order", "updateStrategy.rollingUpdate.leaderSelector",
		"updateStrategy.rollingUpdate.paused", "updateStrategy.rollingUpdate.inPlace",
	} {
		unstructured.RemoveNestedField(set.Object, append([]string{"spec"}, strings.Split(field, ".")...)...)
	}
}
