package snapshots

import (
	"slices"
	"testing"

	"k8s.io/client-go/kubernetes/scheme"
)

func TestDefinitions(t *testing.T) {
	definitions, err := Definitions()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range definitions {
		if d.GetKind() != "CustomResourceDefinition" {
			t.Errorf("a definition is a %s", d.GetKind())
		}
		names = append(names, d.GetName())
	}
	for _, resources := range rulesResources() {
		if !slices.Contains(names, resources) {
			t.Errorf("%s is missing from %v", resources, names)
		}
	}
}

// rulesResources are the kinds that the rules speak of.
func rulesResources() (names []string) {
	for _, r := range append(NodeRules(), ControllerRules()...) {
		if group := r.APIGroups[0]; group != "" && !slices.ContainsFunc(r.Resources, func(s string) bool { return s[len(s)-len("status"):] == "status" }) {
			names = append(names, r.Resources[0]+"."+group)
		}
	}
	return names
}

func TestClassesAreKnown(t *testing.T) {
	for _, class := range Classes() {
		if kinds, _, err := scheme.Scheme.ObjectKinds(class); err != nil || len(kinds) != 1 {
			t.Errorf("%T: %v (%v)", class, kinds, err)
		}
	}
}
