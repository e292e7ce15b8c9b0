package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/hack/petsetdocs/example"
)

//go:embed petset.md.tmpl
var frame string

// page fills the frame from the repository whose root it is given. It fails
// when an example is shown nowhere.
func page(root string) ([]byte, error) {
	source, err := parseSource(filepath.Join(root, "api", "v1alpha1"))
	if err != nil {
		return nil, err
	}
	definition, err := v1alpha1.PetSetDefinition()
	if err != nil {
		return nil, err
	}
	examples, err := example.All(filepath.Join(root, example.Folder))
	if err != nil {
		return nil, err
	}
	shown := map[string]bool{}
	functions := template.FuncMap{
		"reference": func() (string, error) { return reference(source, definition) },
		"constants": source.constants,
		"example": func(name string) (string, error) {
			shown[name] = true
			e, ok := examples[name]
			if !ok {
				return "", fmt.Errorf("there is no %s/%s.yaml", example.Folder, name)
			}
			return e.Markdown("../" + e.File()), nil
		},
	}
	parsed, err := template.New("petset.md.tmpl").Funcs(functions).Parse(frame)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, nil); err != nil {
		return nil, err
	}
	for name := range examples {
		if !shown[name] {
			return nil, fmt.Errorf("%s/%s.yaml is shown nowhere: name it in petset.md.tmpl", example.Folder, name)
		}
	}
	return []byte(strings.TrimSpace(out.String()) + "\n"), nil
}
