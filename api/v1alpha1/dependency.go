package v1alpha1

// Dependency is something in the set's namespace that must be ready before its
// first pet starts: a PetSet, StatefulSet or Deployment with all its replicas
// available at its current generation, or a Service with a ready endpoint.
//
// +kubebuilder:validation:XValidation:rule="self.kind == 'PetSet' ? self.apiVersion == 'mainstay.dev/v1alpha1' : self.kind == 'Service' ? self.apiVersion == 'v1' : self.apiVersion == 'apps/v1'",message="apiVersion is mainstay.dev/v1alpha1 for a PetSet, v1 for a Service, and apps/v1 for a StatefulSet or Deployment"
type Dependency struct {
	// mainstay.dev/v1alpha1 of a PetSet, apps/v1 or v1 of the others.
	// +required
	APIVersion string `json:"apiVersion"`
	// What it is.
	// +required
	// +kubebuilder:validation:Enum=PetSet;StatefulSet;Deployment;Service
	Kind string `json:"kind"`
	// Its name, in the set's own namespace.
	// +required
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
}
