package cli

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

var petSetResource = v1alpha1.GroupVersion.WithResource("petsets")

func toPetSet(object *unstructured.Unstructured) (*v1alpha1.PetSet, error) {
	set := &v1alpha1.PetSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, set); err != nil {
		return nil, fmt.Errorf("petset %q cannot be read; is its definition of another version of Mainstay? %w", object.GetName(), err)
	}
	return set, nil
}

// wantedReplicas is how many pets a set should have; the API's default is one.
func wantedReplicas(replicas *int32) int32 { return ptr.Deref(replicas, 1) }

// selects reports whether the selector of a set matches the labels.
func selects(set *unstructured.Unstructured, of map[string]string) bool {
	read, err := toPetSet(set)
	if err != nil {
		return false
	}
	selector, err := metav1.LabelSelectorAsSelector(read.Spec.Selector)
	return err == nil && selector.Matches(labels.Set(of))
}
