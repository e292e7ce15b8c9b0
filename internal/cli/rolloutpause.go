package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// restartedAt is kubectl's: its only use is that the template differs.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

func rolloutPause(call rolloutCall, object *unstructured.Unstructured) error {
	return call.change(object, "paused", func(set *v1alpha1.PetSet) (map[string]any, error) { return pausePatch(set, true) })
}

func rolloutResume(call rolloutCall, object *unstructured.Unstructured) error {
	return call.change(object, "resumed", func(set *v1alpha1.PetSet) (map[string]any, error) { return pausePatch(set, false) })
}

func rolloutRestart(call rolloutCall, object *unstructured.Unstructured) error {
	now := time.Now()
	return call.change(object, "restarted", func(set *v1alpha1.PetSet) (map[string]any, error) { return restartPatch(set, now) })
}

// change merges a patch of the spec into the set and prints it.
func (call rolloutCall) change(object *unstructured.Unstructured, operation string, specPatch func(*v1alpha1.PetSet) (map[string]any, error)) error {
	set, err := toPetSet(object)
	if err != nil {
		return err
	}
	spec, err := specPatch(set)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(map[string]any{"spec": spec})
	if err != nil {
		return err
	}
	options := metav1.PatchOptions{FieldManager: fieldManager(call.command)}
	changed, err := call.sets(object).Patch(call.ctx, set.Name, types.MergePatchType, patch, options)
	if err != nil {
		return err
	}
	return call.print(changed, operation, cmdutil.DryRunNone)
}

func pausePatch(set *v1alpha1.PetSet, pause bool) (map[string]any, error) {
	rolling := set.Spec.UpdateStrategy.RollingUpdate
	paused := rolling != nil && rolling.Paused
	switch {
	case set.Spec.UpdateStrategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		return nil, fmt.Errorf("petset %q is updated OnDelete: there is nothing to pause, for its pods are replaced when you delete them", set.Name)
	case pause && paused:
		return nil, fmt.Errorf("petset %q is already paused", set.Name)
	case !pause && !paused:
		return nil, fmt.Errorf("petset %q is not paused", set.Name)
	}
	value := any(nil) // takes the field away
	if pause {
		value = true
	}
	return map[string]any{"updateStrategy": map[string]any{"rollingUpdate": map[string]any{"paused": value}}}, nil
}

func restartPatch(set *v1alpha1.PetSet, now time.Time) (map[string]any, error) {
	if rolling := set.Spec.UpdateStrategy.RollingUpdate; rolling != nil && rolling.Paused {
		return nil, errors.New("can't restart paused petset (run rollout resume first)")
	}
	stamp := now.Format(time.RFC3339)
	if set.Spec.Template.Annotations[restartedAt] == stamp {
		return nil, fmt.Errorf("petset %q was restarted within the past second: wait before you do it again", set.Name)
	}
	return map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": map[string]any{restartedAt: stamp}}}}, nil
}

// fieldManager is who the API server notes as the author of a change.
func fieldManager(command *cobra.Command) string {
	if name := flagText(command, "field-manager"); name != "" {
		return name
	}
	return "kubectl-rollout"
}
