// Command definition finishes the custom resource definition of PetSets that
// controller-gen made, in place. `make generate` runs it.
//
//   - Descriptions of upstream's fields go: they are two thirds of the file, more
//     than `kubectl apply` can keep in its annotation, and are told by
//     `kubectl explain pod.spec` as well.
//   - What the rules about claims compare gets a greatest length, which the API
//     server needs to know how much work a rule can be.
package main

import (
	"bytes"
	"fmt"
	"os"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"
)

func main() {
	if err := finish(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "definition:", err)
		os.Exit(1)
	}
}

func finish(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	definition := &apiextensions.CustomResourceDefinition{}
	if err := yaml.UnmarshalStrict(text, definition); err != nil {
		return err
	}
	spec := definition.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
	for _, upstreams := range []string{"template", "volumeClaimTemplates", "selector"} {
		field := spec.Properties[upstreams]
		description := field.Description
		silence(&field)
		field.Description = description
		if upstreams == "volumeClaimTemplates" {
			limitClaims(field.Items.Schema)
		}
		spec.Properties[upstreams] = field
	}
	text, err = yaml.Marshal(definition)
	if err != nil {
		return err
	}
	// The status is the API server's.
	if end := bytes.LastIndex(text, []byte("\nstatus:\n")); end >= 0 {
		text = text[:end+1]
	}
	return os.WriteFile(file, text, 0o644) //nolint:gosec // part of the repository
}

// silence removes the descriptions of a schema and of all that is in it.
func silence(schema *apiextensions.JSONSchemaProps) {
	schema.Description = ""
	for name, property := range schema.Properties {
		silence(&property)
		schema.Properties[name] = property
	}
	if schema.Items != nil {
		silence(schema.Items.Schema)
	}
	if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
		silence(schema.AdditionalProperties.Schema)
	}
}

// limitClaims limits what the rules of a claim template read.
func limitClaims(claim *apiextensions.JSONSchemaProps) {
	limit := func(properties map[string]apiextensions.JSONSchemaProps, name string, length int64) {
		field := properties[name]
		field.MaxLength = ptr.To(length)
		properties[name] = field
	}
	spec := claim.Properties["spec"].Properties
	limit(claim.Properties["metadata"].Properties, "name", 63)
	limit(spec, "storageClassName", 253)
	requests := spec["resources"].Properties["requests"]
	requests.MaxProperties = ptr.To[int64](8)
	requests.AdditionalProperties.Schema.MaxLength = ptr.To[int64](40)
	spec["resources"].Properties["requests"] = requests
}
