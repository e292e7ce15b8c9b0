package controller

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	apps "k8s.io/api/apps/v1"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apiextensionsclient "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// sets are a namespace's sets of one kind. The tests write them as StatefulSets:
// apiVersion and kind are all that makes them PetSets.
type sets struct {
	kind   schema.GroupVersionKind
	client dynamic.ResourceInterface
}

func setsOf(kind schema.GroupVersionKind, client dynamic.Interface, namespace string) sets {
	resource := kind.GroupVersion().WithResource("statefulsets")
	if kind == petset.PetSetKind {
		resource.Resource = "petsets"
	}
	return sets{kind, client.Resource(resource).Namespace(namespace)}
}

func (s sets) create(ctx context.Context, set *apps.StatefulSet) (*apps.StatefulSet, error) {
	out, err := s.convert(set)
	if err != nil {
		return nil, err
	}
	return s.convertBack(s.client.Create(ctx, out, metav1.CreateOptions{}))
}

// patch changes what differs, and leaves alone what only a PetSet has.
func (s sets) patch(ctx context.Context, before, after *apps.StatefulSet) error {
	old, err := json.Marshal(before)
	if err != nil {
		return err
	}
	now, err := json.Marshal(after)
	if err != nil {
		return err
	}
	patch, err := jsonpatch.CreateMergePatch(old, now)
	if err != nil {
		return err
	}
	_, err = s.client.Patch(ctx, before.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	return err
}

func (s sets) get(ctx context.Context, name string) (*apps.StatefulSet, error) {
	return s.convertBack(s.client.Get(ctx, name, metav1.GetOptions{}))
}

func (s sets) delete(ctx context.Context, name string, options metav1.DeleteOptions) error {
	return s.client.Delete(ctx, name, options)
}

func (s sets) convert(set *apps.StatefulSet) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(set)
	out := &unstructured.Unstructured{Object: content}
	delete(content, "status")
	out.SetGroupVersionKind(s.kind)
	return out, err
}

func (s sets) convertBack(in *unstructured.Unstructured, err error) (*apps.StatefulSet, error) {
	if err != nil {
		return nil, err
	}
	set := &apps.StatefulSet{}
	return set, runtime.DefaultUnstructuredConverter.FromUnstructured(in.Object, set)
}

// definePetSets teaches an API server what a PetSet is.
func definePetSets(t *testing.T, config *rest.Config) {
	t.Helper()
	definition, err := v1alpha1.PetSetDefinition()
	if err != nil {
		t.Fatal(err)
	}
	define(t, config, definition)
}

// defineSnapshots teaches it what a VolumeSnapshot is.
func defineSnapshots(t *testing.T, config *rest.Config) {
	t.Helper()
	content, err := os.ReadFile("../../volume/snapshots/crd/snapshot.storage.k8s.io_volumesnapshots.yaml")
	if err != nil {
		t.Fatal(err)
	}
	definition := &apiextensions.CustomResourceDefinition{}
	if err := yaml.Unmarshal(content, definition); err != nil {
		t.Fatal(err)
	}
	define(t, config, definition)
}

func define(t *testing.T, config *rest.Config, definition *apiextensions.CustomResourceDefinition) {
	t.Helper()
	client, err := apiextensionsclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	definitions := client.ApiextensionsV1().CustomResourceDefinitions()
	if _, err := definitions.Create(t.Context(), definition, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	err = wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 20*time.Second, true, func(ctx context.Context) (bool, error) {
		definition, err := definitions.Get(ctx, definition.Name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, condition := range definition.Status.Conditions {
			if condition.Type == apiextensions.Established && condition.Status == apiextensions.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
