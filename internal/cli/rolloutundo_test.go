package cli

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

func revision(name string, number int64, data string) appsv1.ControllerRevision {
	return appsv1.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name}, Revision: number, Data: runtime.RawExtension{Raw: []byte(data)}}
}

const (
	plain      = `{"spec":{"template":{"$patch":"replace","metadata":{"creationTimestamp":null,"labels":{"app":"web"}}}}}`
	overridden = `{"spec":{"overrides":[{"ordinals":"0","template":{}}],"template":{"$patch":"replace","metadata":{"labels":{"app":"web"}}}}}`
)

func TestFindRevision(t *testing.T) {
	all := []appsv1.ControllerRevision{revision("a", 1, plain), revision("b", 3, plain), revision("c", 4, plain)}
	for _, test := range []struct {
		name     string
		update   string
		observed int64
		existing []appsv1.ControllerRevision
		number   int64
		want     string // a name, or a part of the error
	}{
		{"the one before", "c", 2, all, 0, "b"},
		{"the newest, when the set is on an older one by its partition", "b", 2, all, 0, "c"},
		{"by number", "c", 2, all, 1, "a"},
		{"a number that is not there", "c", 2, all, 2, "there are [1 3 4]"},
		{"only one", "a", 2, all[:1], 0, "no last revision"},
		{"none at all", "", 2, nil, 0, "no last revision"},
		{"the last change is not observed: nobody knows what was before it", "c", 1, all, 0, "try again"},
		{"a number is plain all the same", "c", 1, all, 3, "b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2}}
			set.Status.UpdateRevision, set.Status.ObservedGeneration = test.update, test.observed
			found, err := findRevision(set, test.existing, test.number)
			got := found.Name
			if err != nil {
				got = err.Error()
			}
			if err == nil && got != test.want || !strings.Contains(got, test.want) {
				t.Errorf("found %q, not %q", got, test.want)
			}
		})
	}
}

func TestUndoPatch(t *testing.T) {
	const test, template = `{"op":"test","path":"/metadata/generation","value":2}`, `{"op":"add","path":"/spec/template","value":{"metadata":{"labels":{"app":"web"}}}}`
	for _, c := range []struct {
		name   string
		change func(*v1alpha1.PetSet)
		data   string
		want   string // the patch, or a part of the error
	}{
		{"the template", func(*v1alpha1.PetSet) {}, plain, "[" + test + "," + template + "]"},
		{"overrides come back", func(*v1alpha1.PetSet) {}, overridden,
			"[" + test + "," + template + `,{"op":"add","path":"/spec/overrides","value":[{"ordinals":"0","template":{}}]}]`},
		{"overrides go", func(s *v1alpha1.PetSet) { s.Spec.Overrides = make([]v1alpha1.Override, 1) }, plain,
			"[" + test + "," + template + `,{"op":"remove","path":"/spec/overrides"}]`},
		{"it is there", func(s *v1alpha1.PetSet) { s.Status.UpdateRevision = "a" }, plain, ""},
		{"it was there before the last change", func(s *v1alpha1.PetSet) { s.Status.UpdateRevision = "a"; s.Status.ObservedGeneration = 1 }, plain,
			"[" + test + "," + template + "]"},
		{"paused", func(s *v1alpha1.PetSet) { s.Spec.UpdateStrategy.RollingUpdate = &v1alpha1.RollingUpdate{Paused: true} }, plain, "resume it first"},
		{"unreadable", func(*v1alpha1.PetSet) {}, "{}", "no pod template"},
	} {
		t.Run(c.name, func(t *testing.T) {
			set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: 2}}
			set.Status.ObservedGeneration = 2
			c.change(set)
			patch, err := undoPatch(set, revision("a", 1, c.data))
			switch {
			case err != nil && (c.want == "" || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, not %q", err, c.want)
			case err == nil && string(patch) != c.want:
				t.Errorf("the patch is %s, not %s", patch, c.want)
			}
		})
	}
}

func TestPauseAndRestart(t *testing.T) {
	onDelete := func(s *v1alpha1.PetSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }
	paused := func(s *v1alpha1.PetSet) {
		s.Spec.UpdateStrategy.RollingUpdate = &v1alpha1.RollingUpdate{Paused: true}
	}
	restarted := func(s *v1alpha1.PetSet) {
		s.Spec.Template.Annotations = map[string]string{restartedAt: now.Format(time.RFC3339)}
	}
	pause := func(s *v1alpha1.PetSet) (map[string]any, error) { return pausePatch(s, true) }
	resume := func(s *v1alpha1.PetSet) (map[string]any, error) { return pausePatch(s, false) }
	restart := func(s *v1alpha1.PetSet) (map[string]any, error) { return restartPatch(s, now) }
	for _, test := range []struct {
		name    string
		do      func(*v1alpha1.PetSet) (map[string]any, error)
		change  func(*v1alpha1.PetSet)
		refusal string
	}{
		{"pause", pause, func(*v1alpha1.PetSet) {}, ""},
		{"pause again", pause, paused, "already paused"},
		{"pause what is not rolling", pause, onDelete, "nothing to pause"},
		{"resume", resume, paused, ""},
		{"resume again", resume, func(*v1alpha1.PetSet) {}, "is not paused"},
		{"restart", restart, func(*v1alpha1.PetSet) {}, ""},
		{"restart what waits for deletions", restart, onDelete, ""},
		{"restart in the same second", restart, restarted, "within the past second"},
		{"restart what is paused", restart, paused, "run rollout resume first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Name: "web"}}
			test.change(set)
			patch, err := test.do(set)
			if test.refusal == "" && (err != nil || len(patch) == 0) || test.refusal != "" && (err == nil || !strings.Contains(err.Error(), test.refusal)) {
				t.Errorf("%v, %v; it should say %q", patch, err, test.refusal)
			}
		})
	}
}
