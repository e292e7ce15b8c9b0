package cli

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
)

// adoptWorld is a cluster as far as an adoption sees it: two sets, their pods and
// claims, their controllers, garbage collection and a user. Whoever acts next is
// chance. An adoption has no memory, so that it is killed and goes on is nothing
// but others acting between two of its steps.
type adoptWorld struct {
	*testing.T
	random *rand.Rand
	view   adoptionView
	// asked is the spec that the user last asked for.
	asked map[string]any
	story []string
	done  bool
}

const oldUID, newUID = types.UID("old"), types.UID("new")

func newAdoptWorld(t *testing.T, seed uint64) *adoptWorld {
	w := &adoptWorld{T: t, random: rand.New(rand.NewPCG(seed, 0))}
	w.view = adoptionView{from: statefulSetKind, to: petSetKind, namespace: "default", name: "db"}
	if w.random.IntN(2) == 0 {
		w.view.from, w.view.to = petSetKind, statefulSetKind
	}
	policy := []string{"Retain", "Delete"}[w.random.IntN(2)]
	old := &unstructured.Unstructured{Object: map[string]any{
		"spec": map[string]any{
			"replicas": int64(2), "revisionHistoryLimit": int64(10),
			"selector":                             map[string]any{"matchLabels": map[string]any{"app": "db"}},
			"template":                             map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "db"}}},
			"persistentVolumeClaimRetentionPolicy": map[string]any{"whenDeleted": policy},
		},
	}}
	old.SetGroupVersionKind(w.view.from.kind)
	old.SetName("db")
	old.SetUID(oldUID)
	old.SetGeneration(1)
	w.view.old, w.asked = old, old.DeepCopy().Object["spec"].(map[string]any)
	for i := range 2 {
		w.view.pods = append(w.view.pods, corev1.Pod{ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("db-%d", i), Labels: map[string]string{"app": "db"}, OwnerReferences: []metav1.OwnerReference{{UID: oldUID}}}})
	}
	w.observeOld()
	return w
}

func (w *adoptWorld) says(format string, arguments ...any) {
	w.story = append(w.story, fmt.Sprintf(format, arguments...))
}

func (w *adoptWorld) fail(format string, arguments ...any) {
	w.Helper()
	story := ""
	for _, line := range w.story {
		story += "  " + line + "\n"
	}
	w.Fatalf(format+"\n%s", append(arguments, story)...)
}

// act lets one of them do something.
func (w *adoptWorld) act() {
	switch w.random.IntN(6) {
	case 0, 1:
		w.adopt()
	case 2:
		w.observeOld()
	case 3:
		w.observeNew()
	case 4:
		w.collect()
	case 5:
		w.change()
	}
	if w.view.new != nil && w.view.old != nil && deletesClaims(w.view.new) {
		w.fail("the new set would take the claims along that the old one uses")
	}
}

// adopt takes one step, as an adopter would.
func (w *adoptWorld) adopt() {
	step, err := w.view.next()
	if err != nil {
		w.fail("%v", err)
	}
	w.says("adopt: %s: %s", step.do, step.says)
	v := &w.view
	switch step.do {
	case createNew:
		v.new = step.set.DeepCopy()
		v.new.SetUID(newUID)
		v.new.SetGeneration(1)
	case updateNew:
		step.set.SetUID(newUID)
		step.set.SetGeneration(v.new.GetGeneration() + 1)
		step.set.Object["status"] = v.new.Object["status"]
		v.new = step.set.DeepCopy()
	case retainClaims:
		w.write(v.old, "Retain", whenDeleted...)
	case freeClaims:
		v.claims = nil
	case orphanPods:
		if len(v.claims) > 0 || deletesClaims(v.old) {
			w.fail("the old set goes while claims are its own")
		}
		if !observed(v.old) || !observed(v.new) {
			w.fail("the old set goes before both controllers have seen what they are to do")
		}
		v.old.SetDeletionTimestamp(&metav1.Time{Time: now})
		v.old.SetFinalizers([]string{metav1.FinalizerOrphanDependents})
	case finish:
		if note := noteOf(v.new); note.DeleteClaims {
			w.write(v.new, "Delete", whenDeleted...)
		}
		v.new.SetAnnotations(nil)
	case refuse, withdrawNew:
		if v.new != nil { // before that it changes nothing, and the user may try again
			w.fail("refused: %s", step.says)
		}
	case nothingToDo:
		w.done = true
	}
}

func (w *adoptWorld) write(set *unstructured.Unstructured, value any, path ...string) {
	if err := unstructured.SetNestedField(set.Object, value, path...); err != nil {
		w.fail("%v", err)
	}
	set.SetGeneration(set.GetGeneration() + 1)
}

// observeOld: the old set's controller looks at it, and does with the claims what
// the policy says.
func (w *adoptWorld) observeOld() {
	v := &w.view
	if v.old == nil || v.old.GetDeletionTimestamp() != nil {
		return
	}
	w.says("the old set's controller")
	w.status(v.old, 2)
	switch {
	case deletesClaims(v.old):
		v.claims = make([]corev1.PersistentVolumeClaim, 3)
	case len(v.claims) > 1:
		// It no longer looks at the third, which is of a pet that was scaled away.
		v.claims = v.claims[:1]
	}
}

func observed(set *unstructured.Unstructured) bool {
	generation, _, _ := unstructured.NestedInt64(set.Object, "status", "observedGeneration")
	return generation >= set.GetGeneration()
}

// observeNew: the new set's controller looks at it, and takes one pod that is free.
func (w *adoptWorld) observeNew() {
	v := &w.view
	if v.new == nil {
		return
	}
	w.says("the new set's controller")
	taken, adopted := int64(0), false
	for i := range v.pods {
		if len(v.pods[i].OwnerReferences) == 0 && !adopted {
			v.pods[i].OwnerReferences, adopted = []metav1.OwnerReference{{UID: newUID}}, true
		}
		if owned(v.pods[i].OwnerReferences, newUID) {
			taken++
		}
	}
	w.status(v.new, taken)
}

func (w *adoptWorld) status(set *unstructured.Unstructured, pods int64) {
	set.Object["status"] = map[string]any{"observedGeneration": set.GetGeneration(), "replicas": pods,
		"updatedReplicas": pods, "currentRevision": "a", "updateRevision": "a"}
}

// collect: garbage collection lets one pod go, in the end the set.
func (w *adoptWorld) collect() {
	v := &w.view
	if v.old == nil || v.old.GetDeletionTimestamp() == nil {
		return
	}
	w.says("garbage collection")
	for i := range v.pods {
		if owned(v.pods[i].OwnerReferences, oldUID) {
			v.pods[i].OwnerReferences = nil
			return
		}
	}
	v.old = nil
}

// change: the user changes the old set, as long as it lives.
func (w *adoptWorld) change() {
	v := &w.view
	if v.old == nil || v.old.GetDeletionTimestamp() != nil || len(w.story) > 60 {
		return
	}
	limit := w.random.Int64N(100)
	w.says("the user sets revisionHistoryLimit to %d", limit)
	w.write(v.old, limit, "spec", "revisionHistoryLimit")
	w.asked["revisionHistoryLimit"] = limit
}
