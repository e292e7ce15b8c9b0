package v1alpha1

import "k8s.io/apimachinery/pkg/runtime"

// Override changes the template for some ordinals.
type Override struct {
	// The ordinals: "0", or "0,4-6".
	// +required
	// +kubebuilder:validation:Pattern=`^[0-9]{1,9}(-[0-9]{1,9})?(,[0-9]{1,9}(-[0-9]{1,9})?)*$`
	Ordinals string `json:"ordinals"`
	// A strategic merge patch of spec.template: lists such as containers and
	// volumes are merged by name. Labels that the selector needs cannot change.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	// +kubebuilder:validation:Schemaless
	// +kubebuilder:validation:Type=object
	Template runtime.RawExtension `json:"template"`
}
