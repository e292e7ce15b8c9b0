// Package v1alpha1 holds the API types of mainstay.dev. Their comments are the
// reference: the custom resource definitions and docs/petset.md are made of them
// by `make generate`.
//
// +kubebuilder:object:generate=true
// +groupName=mainstay.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion of all kinds in this package.
var GroupVersion = schema.GroupVersion{Group: "mainstay.dev", Version: "v1alpha1"}

// AddToScheme makes the kinds of this package known to a scheme.
func AddToScheme(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion, &PetSet{}, &PetSetList{}, &Pool{}, &PoolList{})
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
