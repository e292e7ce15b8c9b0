package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// take carries one step out. All may be repeated.
func (a *adopter) take(ctx context.Context, step adoptionStep) error {
	v := a.view
	switch step.do {
	case refuse:
		return errors.New(step.says)
	case createNew:
		if err := a.tryOut(ctx, step.set); err != nil {
			return err
		}
		_, err := a.sets(v.to).Create(ctx, step.set, metav1.CreateOptions{FieldValidation: metav1.FieldValidationStrict})
		return err
	case updateNew:
		step.set.SetResourceVersion(v.new.GetResourceVersion())
		_, err := a.sets(v.to).Update(ctx, step.set, metav1.UpdateOptions{FieldValidation: metav1.FieldValidationStrict})
		return err
	case withdrawNew:
		return errors.Join(errors.New(step.says), a.delete(ctx, v.to, v.new))
	case retainClaims:
		return a.patch(ctx, v.from, v.old, map[string]any{"spec": map[string]any{
			"persistentVolumeClaimRetentionPolicy": map[string]any{"whenDeleted": "Retain"}}})
	case freeClaims:
		return a.freeClaims(ctx)
	case orphanPods:
		return a.delete(ctx, v.from, v.old)
	case finish:
		patch := map[string]any{"metadata": map[string]any{"annotations": map[string]any{adoptingAnnotation: nil}}}
		if noteOf(v.new).DeleteClaims {
			patch["spec"] = map[string]any{"persistentVolumeClaimRetentionPolicy": map[string]any{"whenDeleted": "Delete"}}
		}
		return a.patch(ctx, v.to, v.new, patch)
	}
	return nil
}

// tryOut asks the API server whether it would take the new set as it is.
func (a *adopter) tryOut(ctx context.Context, set *unstructured.Unstructured) error {
	kept, err := a.sets(a.view.to).Create(ctx, set, metav1.CreateOptions{
		DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict})
	if err != nil {
		return fmt.Errorf("%s cannot be made from %s, and nothing was changed: %w", a.view.newName(), a.view.oldName(), err)
	}
	if fields := lost(set.Object["spec"], kept.Object["spec"], "spec"); len(fields) > 0 {
		return fmt.Errorf("%s cannot be made from %s, and nothing was changed: the API server would drop %s", a.view.newName(), a.view.oldName(), strings.Join(fields, ", "))
	}
	if a.dryRun {
		fmt.Fprintf(a.options.out, "%s can become %s (server dry run; nothing was changed)\n", a.view.oldName(), a.view.newName())
	}
	return nil
}

// delete leaves all that the set owns, and refuses when the set has changed since
// we looked.
func (a *adopter) delete(ctx context.Context, kind setKind, set *unstructured.Unstructured) error {
	orphan, uid, version := metav1.DeletePropagationOrphan, set.GetUID(), set.GetResourceVersion()
	return a.sets(kind).Delete(ctx, set.GetName(), metav1.DeleteOptions{
		PropagationPolicy: &orphan, Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
}

func (a *adopter) patch(ctx context.Context, kind setKind, set *unstructured.Unstructured, change map[string]any) error {
	metadata, _ := change["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		change["metadata"] = metadata
	}
	metadata["resourceVersion"] = set.GetResourceVersion()
	patch, err := json.Marshal(change)
	if err != nil {
		return err
	}
	_, err = a.sets(kind).Patch(ctx, set.GetName(), types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

// freeClaims does what garbage collection would do a moment later. What it has
// not heard of yet, it would take for garbage instead.
func (a *adopter) freeClaims(ctx context.Context) error {
	for _, claim := range a.view.claims {
		claim.OwnerReferences = slices.DeleteFunc(claim.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == a.view.old.GetUID() })
		if _, err := a.client.CoreV1().PersistentVolumeClaims(claim.Namespace).Update(ctx, &claim, metav1.UpdateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
