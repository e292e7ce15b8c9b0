package petset

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// controllerProcess is what the controller holds in memory, and loses when it
// dies. The rest of its work is here too, as the reconciler does it: observe,
// decide, carry out by stages, write the status.
type controllerProcess struct {
	drains   map[types.UID]*attempt
	failures map[types.UID]string
	// converted is the set as of a generation; revisions by their UID.
	converted  Set
	data       []byte
	decoded    map[types.UID]Revision
	conversion int64
	// facts are those of pods that were looked at.
	facts map[*corev1.Pod]Facts
	// nodes of the pods that were looked at, by their names.
	nodes map[string]string
	// What the last look was at, and when the next is due without any event.
	looked    []any
	pods      map[string]*corev1.Pod
	recheckAt time.Time
	failed    bool
}

// start begins as every controller does: with a fresh list of everything.
func (c *controllerProcess) start(w *world) {
	*c = controllerProcess{drains: map[types.UID]*attempt{}, failures: map[types.UID]string{}, decoded: map[types.UID]Revision{},
		facts: map[*corev1.Pod]Facts{}, nodes: map[string]string{}, failed: true}
	w.catchUp()
}

// observation is what the controller sees: each kind somewhere on its stream.
func (w *world) observation() (Observation, error) {
	object := w.sets.observe(w.rand)
	set, err := w.controller.convert(w, object)
	if err != nil {
		return Observation{}, err
	}
	o := Observation{Set: set, Claims: w.claims.observe(w.rand), Pods: w.memberPods(set), Facts: w.controller.facts, DrainFailures: w.controller.failures, Now: w.now}
	o.FailedOver = w.controller.failedOver(w, o.Pods)
	o.Volumes, o.Nodes = w.volumes.observe(w.rand), w.nodeObjects()
	w.rand.Shuffle(len(o.Pods), func(i, j int) { o.Pods[i], o.Pods[j] = o.Pods[j], o.Pods[i] })
	if w.nameTaken {
		o.NameTaken = "the StatefulSet web has the same pods"
	}
	if len(o.Pods) == 0 && len(object.Spec.DependsOn) > 0 && !w.dependencyReady {
		o.Unready = []string{"Service other, which is not there"}
	}
	return o, w.resolveRevisions(&o)
}

func (w *world) memberPods(set Set) []*corev1.Pod {
	seen := w.pods.observe(w.rand)
	pods := make([]*corev1.Pod, 0, len(seen))
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if owner := metav1.GetControllerOfNoCopy(seen[name]); owner != nil && owner.UID == set.UID && set.IsMember(seen[name]) {
			pods = append(pods, seen[name])
		}
	}
	return pods
}

// failedOver remembers where pods were.
func (c *controllerProcess) failedOver(w *world, pods []*corev1.Pod) map[string]string {
	former := maps.Clone(c.nodes)
	for _, pod := range pods {
		c.nodes[pod.Name] = pod.Spec.NodeName
		delete(former, pod.Name)
	}
	maps.DeleteFunc(former, func(_, node string) bool { return node == "" || !w.nodes[node].fenced })
	return former
}

// convert remembers what it made of a generation.
func (c *controllerProcess) convert(w *world, object *v1alpha1.PetSet) (Set, error) {
	if c.conversion != object.Generation {
		set, err := w.convert(object)
		if err != nil {
			return set, err
		}
		if c.data, err = set.RevisionData(); err != nil {
			return set, err
		}
		c.converted, c.conversion = set, object.Generation
	}
	set := c.converted
	set.Status = asStatefulSet(object).Status
	return set, nil
}

// controllerActs is one reconcile: with faults on an old view, disturbed, and
// perhaps cut short by a death.
func (w *world) controllerActs(faults bool) error {
	if !faults {
		w.catchUp()
	}
	o, err := w.observation()
	if err != nil {
		return err
	}
	if w.chance(200) && changesWhatItIsShown(o) {
		return errors.New("the decision changed what it was shown")
	}
	plan := Decide(o)
	w.tell(plan)
	if err := promised(o, plan); err != nil {
		return fmt.Errorf("%w\n%s", err, show(plan))
	}
	for _, pod := range o.Pods {
		w.controller.facts[pod] = o.factsOf(pod)
	}
	w.witness.looks(o)
	w.controller.look(w, o.Now, plan.RecheckAfter)
	object := w.sets.view()
	died, refused := w.carryOut(o, plan.Actions, faults)
	if died {
		w.say("the controller dies, and another takes over")
		w.controller.start(w)
	} else {
		w.writeStatus(object, plan.Refused(refused))
		if len(plan.Actions) == 0 || !w.controller.failed {
			w.truncateRevisions(o)
			w.witness.undisturbed(o, plan)
		}
	}
	return w.witness.found
}

func (w *world) tell(plan Plan) {
	if !w.loud {
		return
	}
	for _, wait := range plan.Waits {
		w.say("controller: waits for %s: %s", wait.Pod, wait.Reason)
	}
}

func changesWhatItIsShown(o Observation) bool {
	copied := func() (out []any) {
		for _, pod := range o.Pods {
			out = append(out, pod.DeepCopy())
		}
		for _, name := range slices.Sorted(maps.Keys(o.Claims)) {
			out = append(out, o.Claims[name].DeepCopy())
		}
		for _, name := range slices.Sorted(maps.Keys(o.Volumes)) {
			out = append(out, o.Volumes[name].DeepCopy())
		}
		out = append(out, o.Set.Template.DeepCopy(), o.Current.Template.DeepCopy(), o.Update.Template.DeepCopy())
		for i := range o.Set.ClaimTemplates {
			out = append(out, o.Set.ClaimTemplates[i].DeepCopy())
		}
		return out
	}
	before := copied()
	Decide(o)
	return !apiequality.Semantic.DeepEqual(before, copied())
}
