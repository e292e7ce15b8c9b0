package engine

import (
	"bytes"
	"context"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/template"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

//go:embed addons/*.yaml
var addonFiles embed.FS

// applyAddons puts the objects that the engine itself brings into the cluster:
// access rules, the Services of DNS and metrics, the CSI driver and its class.
// They are applied at each start, so a new version brings its own; but for the
// classes, which belong to the user once they are there.
func applyAddons(ctx context.Context, access *rest.Config, paths Paths) error {
	ca, err := os.ReadFile(paths.pkiFile("ca.crt"))
	if err != nil {
		return err
	}
	objects, err := addonObjects(map[string]any{
		"JoinGroup":  joinGroup,
		"DNSService": nameService, "DNSServiceIP": dnsServiceIP, "DNSPort": dnsPort,
		"MetricsService": metricsService, "MetricsPort": metricsPort,
		"CABundle": base64.StdEncoding.EncodeToString(ca),
	})
	if err != nil {
		return err
	}
	c, err := client.New(access, client.Options{})
	if err != nil {
		return err
	}
	for _, object := range objects {
		apply := client.ApplyConfigurationFromUnstructured(object)
		if err := c.Apply(ctx, apply, client.FieldOwner("mainstay"), client.ForceOwnership); err != nil {
			return fmt.Errorf("apply %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	// These are the user's to change.
	if err := client.IgnoreAlreadyExists(c.Create(ctx, driver.StorageClass())); err != nil {
		return err
	}
	for _, class := range driver.AttributesClasses() {
		if err := client.IgnoreAlreadyExists(c.Create(ctx, class)); err != nil {
			return err
		}
	}
	return nil
}

func addonObjects(values map[string]any) ([]*unstructured.Unstructured, error) {
	templates, err := template.ParseFS(addonFiles, "addons/*.yaml")
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range templates.Templates() {
		var text bytes.Buffer
		if err := file.Execute(&text, values); err != nil {
			return nil, err
		}
		decoded, err := decodeObjects(&text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file.Name(), err)
		}
		objects = append(objects, decoded...)
	}
	for _, read := range []func() (*apiextensions.CustomResourceDefinition, error){v1alpha1.PetSetDefinition, v1alpha1.PoolDefinition} {
		definition, err := definitionObject(read)
		if err != nil {
			return nil, err
		}
		objects = append(objects, definition)
	}
	ours, err := unstructuredObjects(slices.Concat(fenceObjects(), volumeObjects(), schedulerObjects(), snapshotObjects(), sidecarObjects(), networkObjects(), machinesObjects()))
	return append(objects, ours...), err
}

func unstructuredObjects(typed []runtime.Object) (objects []*unstructured.Unstructured, err error) {
	for _, object := range typed {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, err
		}
		objects = append(objects, &unstructured.Unstructured{Object: content})
	}
	return objects, nil
}

// definitionObject is a definition as it is applied, without a status: that is the
// API server's own.
func definitionObject(read func() (*apiextensions.CustomResourceDefinition, error)) (*unstructured.Unstructured, error) {
	definition, err := read()
	if err != nil {
		return nil, err
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
	delete(content, "status")
	return &unstructured.Unstructured{Object: content}, err
}

// decodeObjects reads the documents of a YAML file.
func decodeObjects(from io.Reader) (objects []*unstructured.Unstructured, err error) {
	decoder := yaml.NewYAMLOrJSONDecoder(from, 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		objects = append(objects, object)
	}
}
