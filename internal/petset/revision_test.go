package petset

import (
	"encoding/json"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	"k8s.io/utils/ptr"
)

func revisionSet(image string) Set {
	full := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set-uid", Annotations: map[string]string{"by": "hand"}}}
	full.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	full.Spec.Template = *template()
	full.Spec.Template.Annotations = map[string]string{"html": "<&>"}
	full.Spec.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: image,
		SecurityContext: &corev1.SecurityContext{RunAsUser: ptr.To[int64](1 << 40)}}}
	appsdefaults.SetObjectDefaults_StatefulSet(full)
	set, err := FromStatefulSet(full)
	if err != nil {
		panic(err)
	}
	return set
}

func mustData(t *testing.T, set Set) []byte {
	t.Helper()
	data, err := set.RevisionData()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The data must be what comes of encoding the whole set by the API's codec and
// taking its template, which is how upstream's controller makes it.
func TestRevisionDataIsUpstreams(t *testing.T) {
	set := revisionSet("web:1")
	encoded, err := runtime.Encode(scheme.Codecs.LegacyCodec(apps.SchemeGroupVersion),
		&apps.StatefulSet{Spec: apps.StatefulSetSpec{Template: *set.Template}})
	if err != nil {
		t.Fatal(err)
	}
	whole := struct {
		Spec struct {
			Template map[string]any `json:"template"`
		} `json:"spec"`
	}{}
	if err := json.Unmarshal(encoded, &whole); err != nil {
		t.Fatal(err)
	}
	whole.Spec.Template["$patch"] = "replace"
	want, err := json.Marshal(map[string]any{"spec": map[string]any{"template": whole.Spec.Template}})
	if err != nil {
		t.Fatal(err)
	}
	if got := mustData(t, set); string(got) != string(want) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRevisionIsWhatWasEncoded(t *testing.T) {
	set := revisionSet("web:1")
	revision, err := set.NewRevision(mustData(t, set), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := DecodeRevision(revision)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Set{Template: decoded.Template}.RevisionData()
	if err != nil || string(again) != string(revision.Data.Raw) {
		t.Errorf("encoded again: %v\n%s", err, again)
	}
	if revision.Annotations["by"] != "hand" || revision.Labels["app"] != "web" || !metav1.IsControlledBy(revision, set.owner()) {
		t.Errorf("the revision is %+v", revision.ObjectMeta)
	}
	for _, bad := range []string{``, `{}`, `{"spec":{}}`, `[]`} {
		if _, err := DecodeRevision(&apps.ControllerRevision{Data: runtime.RawExtension{Raw: []byte(bad)}}); err == nil {
			t.Errorf("%q was decoded", bad)
		}
	}
}

func TestChooseRevision(t *testing.T) {
	set := revisionSet("web:2")
	data := mustData(t, set)
	revision := func(name, image string, number int64) *apps.ControllerRevision {
		r := &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name}, Revision: number}
		r.Data.Raw = mustData(t, revisionSet(image))
		return r
	}
	// As Kubernetes before 1.34 wrote it, and without a default of today.
	old := revision("old", "web:2", 3)
	old.Data.Raw = []byte(`{"spec":{"template":{"$patch":"replace","metadata":{"creationTimestamp":null,"annotations":{"html":"<&>"},"labels":{"app":"web"}},` +
		`"spec":{"containers":[{"image":"web:2","name":"web","resources":{},"securityContext":{"runAsUser":1099511627776}}]}}}}`)

	for _, c := range []struct {
		name     string
		existing []*apps.ControllerRevision
		step     RevisionStep
		chosen   string
		number   int64
	}{
		{"a new set", nil, CreateRevision, "", 1},
		{"the latest is equal", []*apps.ControllerRevision{revision("a", "web:1", 1), revision("b", "web:2", 2)}, UseRevision, "b", 2},
		{"the latest of two equal ones", []*apps.ControllerRevision{revision("a", "web:2", 1), revision("b", "web:2", 2)}, UseRevision, "b", 2},
		{"a rollback", []*apps.ControllerRevision{revision("a", "web:2", 1), revision("b", "web:1", 2)}, RenumberRevision, "a", 3},
		{"the same, encoded by an older version", []*apps.ControllerRevision{revision("a", "web:1", 1), old}, UseRevision, "old", 3},
		{"another template", []*apps.ControllerRevision{revision("a", "web:1", 7)}, CreateRevision, "", 8},
	} {
		choice, err := set.ChooseRevision(data, c.existing)
		if err != nil || choice.Step != c.step || choice.Number != c.number {
			t.Errorf("%s: %s, number %d, %v", c.name, choice.Step, choice.Number, err)
		}
		if c.chosen != "" && choice.Revision.Name != c.chosen {
			t.Errorf("%s: revision %s", c.name, choice.Revision.Name)
		}
	}
}

func TestRevisionNamesDifferByCollisions(t *testing.T) {
	set := revisionSet("web:1")
	first, _ := set.NewRevision(mustData(t, set), 1, 0)
	second, _ := set.NewRevision(mustData(t, set), 1, 1)
	if first.Name == second.Name {
		t.Errorf("both are %s", first.Name)
	}
}

func TestObsoleteRevisions(t *testing.T) {
	existing := []*apps.ControllerRevision{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		existing = append(existing, &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	pods := []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{apps.StatefulSetRevisionLabel: "a"}}}}
	for _, c := range []struct {
		limit int
		want  string
	}{{-1, ""}, {0, "bc"}, {1, "b"}, {2, ""}, {10, ""}} {
		got := ""
		for _, revision := range (Set{RevisionHistoryLimit: c.limit}).ObsoleteRevisions(existing, pods, "d", "e") {
			got += revision.Name
		}
		if got != c.want {
			t.Errorf("limit %d: %q go, want %q", c.limit, got, c.want)
		}
	}
}

func TestCurrentRevision(t *testing.T) {
	a, b := &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "a"}}, &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: "b"}}
	for status, want := range map[string]*apps.ControllerRevision{"a": a, "b": b, "": b, "gone": b} {
		set := Set{Status: apps.StatefulSetStatus{CurrentRevision: status}}
		if got := set.CurrentRevision([]*apps.ControllerRevision{a, b}, b); got != want {
			t.Errorf("status %q: %s", status, got.Name)
		}
	}
}
