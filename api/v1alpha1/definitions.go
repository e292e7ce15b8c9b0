package v1alpha1

import (
	_ "embed"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

//go:embed crd/mainstay.dev_petsets.yaml
var petSetDefinition []byte

//go:embed crd/mainstay.dev_pools.yaml
var poolDefinition []byte

// PoolDefinition returns the custom resource definition of Pools.
func PoolDefinition() (*apiextensions.CustomResourceDefinition, error) {
	definition := &apiextensions.CustomResourceDefinition{}
	return definition, yaml.UnmarshalStrict(poolDefinition, definition)
}

// PetSetDefinition returns the custom resource definition of PetSets.
func PetSetDefinition() (*apiextensions.CustomResourceDefinition, error) {
	definition := &apiextensions.CustomResourceDefinition{}
	return definition, yaml.UnmarshalStrict(petSetDefinition, definition)
}
