package cli

import (
	"encoding/json"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// rolloutUndo writes the template and the overrides of an earlier revision back
// into the spec.
func rolloutUndo(call rolloutCall, object *unstructured.Unstructured) error {
	number, err := call.command.Flags().GetInt64("to-revision")
	if err != nil {
		return err
	}
	dryRun, err := cmdutil.GetDryRunStrategy(call.command)
	if err != nil {
		return err
	}
	set, revisions, err := call.revisions(object)
	if err != nil {
		return err
	}
	revision, err := findRevision(set, revisions, number)
	if err != nil {
		return err
	}
	if dryRun == cmdutil.DryRunClient {
		return describeRevision(call.options.out, object, revision)
	}
	patch, err := undoPatch(set, revision)
	if err != nil {
		return err
	}
	if patch == nil {
		return call.print(object, fmt.Sprintf("skipped rollback (current template already matches revision %d)", revision.Revision), dryRun)
	}
	if _, applied := set.Annotations[corev1.LastAppliedConfigAnnotation]; applied {
		fmt.Fprintf(call.options.errors, "Warning: petset %q was made with `kubectl apply`: put its manifest right, too, or the next apply takes this back.\n", set.Name)
	}
	options := metav1.PatchOptions{FieldManager: fieldManager(call.command)}
	if dryRun == cmdutil.DryRunServer {
		options.DryRun = []string{metav1.DryRunAll}
	}
	changed, err := call.sets(object).Patch(call.ctx, set.Name, types.JSONPatchType, patch, options)
	if err != nil {
		return fmt.Errorf("failed restoring revision %d: %w", revision.Revision, err)
	}
	return call.print(changed, "rolled back", dryRun)
}

// undoPatch is what turns the set back to the revision; nil when it is on it. It
// is refused when somebody changes the spec at the same time.
func undoPatch(set *v1alpha1.PetSet, revision appsv1.ControllerRevision) ([]byte, error) {
	if rolling := set.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.Paused {
		return nil, errors.New("you cannot rollback a paused petset; resume it first with `mainstay rollout resume` and try again")
	}
	if revision.Name == set.Status.UpdateRevision && set.Status.ObservedGeneration >= set.Generation {
		return nil, nil
	}
	content, err := readRevision(revision)
	if err != nil {
		return nil, err
	}
	operations := []map[string]any{
		{"op": "test", "path": "/metadata/generation", "value": set.Generation},
		{"op": "add", "path": "/spec/template", "value": content.template},
	}
	switch {
	case len(content.overrides) > 0:
		operations = append(operations, map[string]any{"op": "add", "path": "/spec/overrides", "value": content.overrides})
	case len(set.Spec.Overrides) > 0:
		operations = append(operations, map[string]any{"op": "remove", "path": "/spec/overrides"})
	}
	return json.Marshal(operations)
}
