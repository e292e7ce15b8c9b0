package cli

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// TestAdoptionSurvives: whatever happens between the steps of an adoption, the
// new set ends with the pods and with the spec that was asked for, and at no time
// can claims be lost.
func TestAdoptionSurvives(t *testing.T) {
	for seed := range uint64(1000) {
		w := newAdoptWorld(t, seed)
		for steps := 0; !w.done; steps++ {
			if steps > 2000 {
				w.fail("seed %d: it does not end", seed)
			}
			w.act()
		}
		for _, pod := range w.view.pods {
			if !owned(pod.OwnerReferences, newUID) {
				w.fail("seed %d: %s has the owners %v", seed, pod.Name, pod.OwnerReferences)
			}
		}
		if got := w.view.new.Object["spec"]; !reflect.DeepEqual(got, any(w.asked)) {
			w.fail("seed %d: the spec is %v, not %v", seed, got, w.asked)
		}
		if len(w.view.new.GetAnnotations()) > 0 {
			w.fail("seed %d: annotations are left: %v", seed, w.view.new.GetAnnotations())
		}
	}
}

// TestAdoptionSteps runs a scenario file: what is there, and what an adoption does
// next. Run it with -rewrite to write down what it does now.
//
//	next [petset] [dropFeatures]
//	old|new [deleting=FINALIZER] [note=KIND+UID+GENERATION]
//	  lines of YAML, merged over a settled set of two pets
//	pod NAME [owner=old|new|none] [ready]
//	claim
func TestAdoptionSteps(t *testing.T) {
	datadriven.RunTest(t, "testdata/adopt.txt", func(t *testing.T, d *datadriven.TestData) string {
		step, err := readAdoption(t, d).next()
		if err != nil {
			return "error: " + err.Error() + "\n"
		}
		return string(step.do) + ": " + step.says + "\n"
	})
}

func readAdoption(t *testing.T, d *datadriven.TestData) adoptionView {
	v := adoptionView{from: statefulSetKind, to: petSetKind, namespace: "default", name: "db", dropFeatures: d.HasArg("dropFeatures")}
	if d.HasArg("petset") {
		v.from, v.to = v.to, v.from
	}
	lines := strings.Split(strings.TrimSpace(d.Input), "\n")
	for i := 0; i < len(lines); i++ {
		words := strings.Fields(lines[i])
		details := ""
		for ; i+1 < len(lines) && strings.HasPrefix(lines[i+1], "  "); i++ {
			details += lines[i+1] + "\n"
		}
		switch {
		case len(words) == 0:
		case words[0] == "old":
			v.old = readSet(t, v.from, oldUID, words[1:], details)
		case words[0] == "new":
			v.new = readSet(t, v.to, newUID, words[1:], details)
		case words[0] == "pod":
			v.pods = append(v.pods, readPod(words[1], words[2:]))
		case words[0] == "claim":
			v.claims = append(v.claims, corev1.PersistentVolumeClaim{})
		default:
			t.Fatalf("%s: what is %q?", d.Pos, lines[i])
		}
	}
	return v
}

const settled = `
metadata: {name: db, namespace: default, generation: 1}
spec: {replicas: 2, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}}}
status: {observedGeneration: 1, replicas: 2, readyReplicas: 2, updatedReplicas: 2, currentRevision: db-a, updateRevision: db-a}
`

func readSet(t *testing.T, kind setKind, uid types.UID, words []string, details string) *unstructured.Unstructured {
	set := &unstructured.Unstructured{}
	for _, text := range []string{settled, details} {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(text), &object); err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		set.Object = merged(set.Object, object)
	}
	set.SetGroupVersionKind(kind.kind)
	set.SetUID(uid)
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "deleting":
			set.SetDeletionTimestamp(&metav1.Time{Time: now})
			set.SetFinalizers([]string{value})
		case "note":
			parts := strings.Split(value, "+")
			generation, err := strconv.Atoi(parts[2])
			if err != nil {
				t.Fatal(err)
			}
			note := `{"kind":"` + parts[0] + `","uid":"` + parts[1] + `","generation":` + strconv.Itoa(generation) + `}`
			set.SetAnnotations(map[string]string{adoptingAnnotation: note})
		default:
			t.Fatalf("what is %q?", word)
		}
	}
	return set
}

func merged(base, over map[string]any) map[string]any {
	if base == nil {
		return over
	}
	for key, value := range over {
		below, ok := value.(map[string]any)
		beneath, both := base[key].(map[string]any)
		if ok && both {
			base[key] = merged(beneath, below)
		} else {
			base[key] = value
		}
	}
	return base
}

func readPod(name string, words []string) corev1.Pod {
	pod := corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}}
	switch {
	case slices.Contains(words, "owner=new"):
		pod.OwnerReferences = []metav1.OwnerReference{{UID: newUID}}
	case !slices.Contains(words, "owner=none"):
		pod.OwnerReferences = []metav1.OwnerReference{{UID: oldUID}}
	}
	if slices.Contains(words, "ready") {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	}
	return pod
}
