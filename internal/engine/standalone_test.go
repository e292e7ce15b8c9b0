package engine

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestStandaloneObjects(t *testing.T) {
	without := []string{
		"CustomResourceDefinition petsets.mainstay.dev",
		"ClusterRole mainstay:petset", "ClusterRole mainstay:petset-edit", "ClusterRole mainstay:petset-view",
		"ServiceAccount there/mainstay-controller", "ClusterRoleBinding mainstay-controller",
		"Role there/mainstay-controller", "RoleBinding there/mainstay-controller",
	}
	for _, test := range []struct {
		image string
		want  []string
	}{
		{"", without},
		{"example/mainstay:1", append(slices.Clone(without), "Deployment there/mainstay-controller")},
	} {
		objects, err := standaloneObjects("there", test.image)
		if err != nil {
			t.Fatal(err)
		}
		got := namesOf(objects)
		if !slices.Equal(got, test.want) {
			t.Errorf("with image %q there are\n%s\nnot\n%s", test.image, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// namesOf gives kind and name of each object.
func namesOf(objects []*unstructured.Unstructured) (names []string) {
	for _, object := range objects {
		name := object.GetName()
		if object.GetNamespace() != "" {
			name = object.GetNamespace() + "/" + name
		}
		names = append(names, object.GetKind()+" "+name)
	}
	return names
}

func TestPrintedObjectsAreThoseObjects(t *testing.T) {
	var text strings.Builder
	if err := PrintStandaloneObjects(&text, "there", `an "image": 1`); err != nil {
		t.Fatal(err)
	}
	printed, err := decodeObjects(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	meant, err := standaloneObjects("there", `an "image": 1`)
	if err != nil {
		t.Fatal(err)
	}
	if len(printed) != len(meant) {
		t.Fatalf("%d objects were printed, not %d", len(printed), len(meant))
	}
	containers, _, _ := unstructured.NestedSlice(printed[len(printed)-1].Object, "spec", "template", "spec", "containers")
	if image := containers[0].(map[string]any)["image"]; image != `an "image": 1` {
		t.Errorf("the image is %v", image)
	}
}

// What the engine gives its own controller is what it tells others to give.
func TestEngineUsesTheSameRole(t *testing.T) {
	standalone, err := standaloneObjects("there", "")
	if err != nil {
		t.Fatal(err)
	}
	own, err := addonObjects(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	role := func(object *unstructured.Unstructured) bool {
		return object.GetKind() == "ClusterRole" && object.GetName() == petSetRole
	}
	here, there := slices.IndexFunc(own, role), slices.IndexFunc(standalone, role)
	if here < 0 || there < 0 || !reflect.DeepEqual(own[here], standalone[there]) {
		t.Errorf("the role %s of the engine is not that of the standalone controller", petSetRole)
	}
}

// The lease that keeps a second controller from an engine's PetSets must be the
// one that the second controller asks for.
func TestEngineHoldsTheLease(t *testing.T) {
	objects, err := addonObjects(map[string]any{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if object.GetKind() != "Lease" {
			continue
		}
		holder, _, _ := unstructured.NestedString(object.Object, "spec", "holderIdentity")
		if object.GetName() != leaseName || object.GetNamespace() != defaultLeaseNamespace("file") || holder != engineHolder {
			t.Errorf("%s holds %s/%s", holder, object.GetNamespace(), object.GetName())
		}
		return
	}
	t.Error("there is no lease")
}

func TestNeededAccess(t *testing.T) {
	needed, err := neededAccess("there")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []authorization.ResourceAttributes{
		{Verb: "create", Resource: "pods"},
		{Verb: "update", Group: "mainstay.dev", Resource: "petsets", Subresource: "status"},
		{Verb: "create", Group: "coordination.k8s.io", Resource: "leases", Namespace: "there"},
		{Verb: "update", Group: "coordination.k8s.io", Resource: "leases", Name: leaseName, Namespace: "there"},
	} {
		if !slices.Contains(needed, want) {
			t.Errorf("it does not ask for %v", want)
		}
	}
	for _, request := range needed {
		if request.Group == "apps" && request.Resource == "statefulsets" && request.Subresource != "" || request.Resource == "secrets" {
			t.Errorf("it asks for too much: %v", request)
		}
	}
}

func TestDescribeAccess(t *testing.T) {
	requests := requestsOf(rbac.PolicyRule{APIGroups: []string{""}, Resources: []string{"pods", "pods/exec"}, Verbs: []string{"create", "get"}}, "")
	requests = append(requests, requestsOf(rbac.PolicyRule{
		APIGroups: []string{"apps"}, Resources: []string{"deployments"}, ResourceNames: []string{"one", "two"}, Verbs: []string{"get"}}, "there")...)
	want := []string{
		"create, get pods in all namespaces",
		"create, get pods/exec in all namespaces",
		"get deployments.apps/one in namespace there",
		"get deployments.apps/two in namespace there",
	}
	if got := describeAccess(requests); !slices.Equal(got, want) {
		t.Errorf("it says\n%s", strings.Join(got, "\n"))
	}
}
