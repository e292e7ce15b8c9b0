package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// revisions returns a set and its ControllerRevisions, the oldest first.
func (call rolloutCall) revisions(object *unstructured.Unstructured) (*v1alpha1.PetSet, []appsv1.ControllerRevision, error) {
	set, err := toPetSet(object)
	if err != nil {
		return nil, nil, err
	}
	client, err := call.factory.KubernetesClientSet()
	if err != nil {
		return nil, nil, err
	}
	list, err := client.AppsV1().ControllerRevisions(set.Namespace).List(call.ctx, metav1.ListOptions{
		LabelSelector: metav1.FormatLabelSelector(set.Spec.Selector),
	})
	if err != nil {
		return nil, nil, err
	}
	own := slices.DeleteFunc(list.Items, func(r appsv1.ControllerRevision) bool { return !metav1.IsControlledBy(&r, set) })
	slices.SortFunc(own, func(a, b appsv1.ControllerRevision) int { return cmp.Compare(a.Revision, b.Revision) })
	return set, own, nil
}

// revisionContent is what pods of a revision are made from.
type revisionContent struct {
	template  map[string]any
	overrides []any // nil when there are none
}

func readRevision(revision appsv1.ControllerRevision) (revisionContent, error) {
	data := struct {
		Spec struct {
			Template  map[string]any `json:"template"`
			Overrides []any          `json:"overrides"`
		} `json:"spec"`
	}{}
	err := json.Unmarshal(revision.Data.Raw, &data)
	if err == nil && data.Spec.Template == nil {
		err = fmt.Errorf("it holds no pod template")
	}
	if err != nil {
		return revisionContent{}, fmt.Errorf("revision %d (ControllerRevision %s) cannot be read: %w", revision.Revision, revision.Name, err)
	}
	delete(data.Spec.Template, "$patch") // an instruction to kubectl, not a field
	withoutCreationTime(data.Spec.Template)
	return revisionContent{data.Spec.Template, data.Spec.Overrides}, nil
}

// withoutCreationTime removes an empty field that older API servers write, and
// that no other kind's definition knows.
func withoutCreationTime(object map[string]any) {
	unstructured.RemoveNestedField(object, "metadata", "creationTimestamp")
}

// findRevision returns the revision of that number; the one before the set's
// own when it is zero.
func findRevision(set *v1alpha1.PetSet, revisions []appsv1.ControllerRevision, number int64) (appsv1.ControllerRevision, error) {
	if number == 0 && set.Generation > set.Status.ObservedGeneration {
		return appsv1.ControllerRevision{}, fmt.Errorf("the last change of petset %q was not looked at yet, so nobody can say which revision comes before it: try again in a moment", set.Name)
	}
	for i := len(revisions) - 1; i >= 0; i-- {
		if revisions[i].Revision == number || number == 0 && revisions[i].Name != set.Status.UpdateRevision {
			return revisions[i], nil
		}
	}
	if number == 0 {
		return appsv1.ControllerRevision{}, fmt.Errorf("petset %q has no last revision to roll back to", set.Name)
	}
	numbers := make([]int64, len(revisions))
	for i := range revisions {
		numbers[i] = revisions[i].Revision
	}
	return appsv1.ControllerRevision{}, fmt.Errorf("unable to find specified revision %d in history of petset %q; there are %v", number, set.Name, numbers)
}
