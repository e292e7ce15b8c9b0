package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"

	apps "k8s.io/api/apps/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

type schema = apiextensions.JSONSchemaProps

// section describes the fields of one struct of the API.
type section struct {
	// path in a manifest: spec.updateStrategy.
	path string
	typ  goType
	schema
	// counterpart is the type at the same path of a StatefulSet, nil if there is
	// none.
	counterpart reflect.Type
}

// reference describes all fields of a PetSet, each struct before those in it.
func reference(from source, definition *apiextensions.CustomResourceDefinition) (string, error) {
	root := *definition.Spec.Versions[0].Schema.OpenAPIV3Schema
	out := from.types["PetSet"].comment + "\n\n" + refusals(root)
	for _, part := range []struct{ name, typeName string }{{"spec", "PetSetSpec"}, {"status", "PetSetStatus"}} {
		counterpart := fieldOf(reflect.TypeFor[apps.StatefulSet](), part.name)
		text, err := from.describe(section{part.name, from.types[part.typeName], root.Properties[part.name], counterpart})
		if err != nil {
			return "", err
		}
		out += text
	}
	return strings.TrimSpace(out), nil
}

func (s source) describe(at section) (string, error) {
	var fields, below strings.Builder
	for _, field := range at.typ.fields {
		fieldSchema, ok := at.Properties[field.name]
		if !ok {
			return "", fmt.Errorf("the definition has no %s.%s: run `make generate`", at.path, field.name)
		}
		facts := factsOf(field, fieldSchema, slices.Contains(at.Required, field.name))
		theirs := fieldOf(at.counterpart, field.name)
		if at.counterpart != nil && theirs == nil {
			facts = append(facts, "**not in a StatefulSet**")
		}
		inside, ok := s.types[strings.TrimPrefix(field.typeName, "[]")]
		if ok {
			next := section{at.path + "." + field.name, inside, fieldSchema, theirs}
			if fieldSchema.Type == "array" {
				next.path, next.schema = next.path+"[]", *fieldSchema.Items.Schema
			}
			text, err := s.describe(next)
			if err != nil {
				return "", err
			}
			below.WriteString(text)
			facts[0] = fmt.Sprintf("[%s](#%s)", facts[0], anchor(next.path))
		}
		fmt.Fprintf(&fields, "- **`%s`**: %s.\n  %s\n", field.name, strings.Join(facts, "; "), strings.ReplaceAll(field.comment, "\n", "\n  "))
		for _, rule := range fieldSchema.XValidations {
			if !ok { // else it stands in the section
				fmt.Fprintf(&fields, "  - Refused: %s.\n", rule.Message)
			}
		}
	}
	return fmt.Sprintf("### `%s`\n\n%s\n\n%s\n%s%s", at.path, at.typ.comment, fields.String(), refusals(at.schema), below.String()), nil
}

// refusals tells what the API server refuses, in the words of its answer.
func refusals(s schema) string {
	if len(s.XValidations) == 0 {
		return ""
	}
	out := "Refused:\n\n"
	for _, rule := range s.XValidations {
		out += "- " + rule.Message + ".\n"
	}
	return out + "\n"
}

// anchor is where a heading can be linked to, as GitHub makes it.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-', r == '_', unicode.IsLetter(r), unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, heading)
}

// fieldOf returns the type of a field by its name in manifests, without pointers
// and lists around it; nil if there is no such field.
func fieldOf(t reflect.Type, name string) reflect.Type {
	if t == nil || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		if own, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); own != name {
			continue
		}
		field := t.Field(i).Type
		for field.Kind() == reflect.Pointer || field.Kind() == reflect.Slice {
			field = field.Elem()
		}
		return field
	}
	return nil
}
