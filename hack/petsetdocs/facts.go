package main

import (
	"fmt"
	"strings"
)

// factsOf tells a field's type, and then what the API server does about it: its
// default, and its limits.
func factsOf(field goField, s schema, required bool) []string {
	facts := []string{typeOf(field, s)}
	if required {
		facts = append(facts, "required")
	}
	if s.Default != nil {
		facts = append(facts, "default `"+strings.Trim(string(s.Default.Raw), `"`)+"`")
	}
	if s.Minimum != nil {
		facts = append(facts, fmt.Sprintf("at least %g", *s.Minimum))
	}
	if s.MinLength != nil && *s.MinLength == 1 {
		facts = append(facts, "not empty")
	}
	if s.Pattern != "" {
		facts = append(facts, "matching `"+s.Pattern+"`")
	}
	if s.MaxItems != nil {
		facts = append(facts, fmt.Sprintf("at most %d", *s.MaxItems))
	}
	if s.Items != nil && s.Items.Schema.Pattern != "" {
		facts = append(facts, "each matching `"+s.Items.Schema.Pattern+"`")
	}
	return facts
}

// typeOf names a type as a manifest's author sees it. What is a type of
// Kubernetes' own goes by that name.
func typeOf(field goField, s schema) string {
	switch {
	case len(s.Enum) > 0:
		return oneOf(s)
	case s.XIntOrString:
		return "integer or string"
	case s.Type == "array" && s.Items.Schema.Type != "object":
		return "list of " + s.Items.Schema.Type + "s"
	case s.Type == "array":
		return "list of " + kubernetesName(strings.TrimPrefix(field.typeName, "[]")) + "s"
	case s.Type == "object":
		return kubernetesName(field.typeName)
	}
	return s.Type
}

func oneOf(s schema) string {
	values := make([]string, len(s.Enum))
	for i := range s.Enum {
		values[i] = "`" + strings.Trim(string(s.Enum[i].Raw), `"`) + "`"
	}
	last := len(values) - 1
	return strings.Join(values[:last], ", ") + " or " + values[last]
}

// kubernetesName is the name that the API reference of Kubernetes has for a Go
// type of its API.
func kubernetesName(goType string) string {
	group, name, _ := strings.Cut(goType, ".")
	switch group {
	case "appsv1", "corev1", "metav1":
		return "`" + name + "`"
	}
	return "object"
}
