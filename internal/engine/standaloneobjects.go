package engine

import (
	"bytes"
	"embed"
	"fmt"
	"io"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

//go:embed standalone/*.yaml
var standaloneFiles embed.FS

// petSetRole is made of the markers in internal/petset/controller, and so is
// exactly what that controller needs.
const petSetRole = "mainstay:petset"

// PrintStandaloneObjects writes, as YAML, what a Kubernetes needs for Standalone:
// the definition of PetSets, the roles of the controller and of the users of
// PetSets, and the controller's account. With the name of an image, whose entry
// point must be this program, two replicas of the controller as well.
func PrintStandaloneObjects(to io.Writer, namespace, image string) error {
	objects, err := standaloneObjects(namespace, image)
	if err != nil {
		return err
	}
	return printObjects(to, objects)
}

func printObjects(to io.Writer, objects []*unstructured.Unstructured) error {
	for _, object := range objects {
		text, err := yaml.Marshal(object)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(to, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

func standaloneObjects(namespace, image string) ([]*unstructured.Unstructured, error) {
	definition, err := definitionObject(v1alpha1.PetSetDefinition)
	if err != nil {
		return nil, err
	}
	objects := []*unstructured.Unstructured{definition}
	for _, file := range []string{"addons/petset-roles.yaml", "addons/petset-users.yaml"} {
		text, err := addonFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		roles, err := decodeObjects(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, role := range roles {
			if role.GetName() != statefulSetRole {
				objects = append(objects, role)
			}
		}
	}
	install, err := installObjects("install.yaml", map[string]any{"Namespace": quoted(namespace), "Image": quoted(image)})
	return append(objects, install...), err
}

// statefulSetRole is for those who look after StatefulSets, too.
const statefulSetRole = "mainstay:statefulset"

// installObjects are those of a file in standalone/, with these values filled in.
func installObjects(name string, values map[string]any) ([]*unstructured.Unstructured, error) {
	file, err := template.ParseFS(standaloneFiles, "standalone/"+name)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := file.Execute(&text, values); err != nil {
		return nil, err
	}
	return decodeObjects(&text)
}

// quoted makes YAML take the text for what it is; empty stays empty.
func quoted(text string) string {
	if text == "" {
		return ""
	}
	return fmt.Sprintf("%q", text)
}
