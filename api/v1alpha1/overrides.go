package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// Override changes the template for some ordinals.
type Override struct {
	// The ordinals: "0", or "0,4-6". They may be some that no pet has yet.
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*$`
	Ordinals string `json:"ordinals"`
	// A strategic merge patch of spec.template, as `kubectl patch` takes it: lists
	// such as containers and volumes are merged by name. Labels that the selector
	// needs cannot change: the condition Stuck then says Invalid.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Template runtime.RawExtension `json:"template"`
}
