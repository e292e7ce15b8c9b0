package controller

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// facts are what can be told apart of a played scenario, by their names. Nothing
// in them differs from one run to the next: no UID, time or namespace.
type facts map[string]string

// play is one scenario in progress.
type play struct {
	*cluster
	stage *stage
	facts facts
	steps int
	// eachPod: what happens to one pod has an order, what happens to two has not.
	eachPod bool
	// last is what was told of each pod.
	last map[types.UID]string
}

// tells adds what happened to a pod to the log.
func (p *play) tells(event watch.EventType, pod *corev1.Pod) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := describe(event, pod); now != p.last[pod.UID] {
		p.log, p.last[pod.UID] = append(p.log, now), now
	}
}

// quiet is how long nothing must happen for the set to be at rest. Controllers
// act within milliseconds; the rest is for a busy machine.
const quiet = 500 * time.Millisecond

// condition says what is yet lacking; nothing when it holds.
type condition func(*play) string

// patience is for the whole of a step, on a machine that has much else to do.
const patience = time.Minute

// rests waits until the conditions hold and nothing happens any more, and notes
// what is there under the name of the step.
func (p *play) rests(step string, conditions ...condition) {
	p.Helper()
	begun := time.Now()
	p.catchesUp()
	// A machine that is slow to tell is slow to act.
	quiet := min(quiet+5*time.Since(begun), 4*quiet)
	begun = time.Now()
	var looked time.Time
	for lacks := ""; ; time.Sleep(20 * time.Millisecond) {
		changed := p.stage.lastChange(p.namespace)
		if changed != looked || looked.IsZero() {
			lacks, looked = p.lacks(conditions), changed
		}
		if lacks == "" && time.Since(begun) > quiet && time.Since(changed) > quiet {
			break
		}
		if time.Since(begun) > patience {
			p.Fatalf("%s, after %v: %s; last change %v ago; the set: %+v", step, patience, lacks, time.Since(changed), p.seen())
		}
	}
	p.steps++
	p.note(fmt.Sprintf("%d %s, ", p.steps, step))
}

// catchesUp returns when all has been seen that was there when it was called.
func (p *play) catchesUp() {
	p.Helper()
	pods, generation := map[types.UID]bool{}, int64(0)
	if set, err := p.sets.get(p.ctx, "web"); err == nil {
		generation = set.Generation
	}
	for _, pod := range p.pods() {
		pods[pod.UID] = pod.DeletionTimestamp != nil
	}
	p.eventually("the news to come", func() error {
		if set := p.seen(); generation > 0 && (set == nil || set.Generation < generation) {
			return fmt.Errorf("the set is not of generation %d", generation)
		}
		for _, pod := range list[corev1.Pod](p, "pods") {
			if deleting, there := pods[pod.UID]; there && deleting && pod.DeletionTimestamp == nil {
				return fmt.Errorf("%s is not deleted", pod.Name)
			}
		}
		return nil
	})
}

func (p *play) lacks(conditions []condition) (lacks string) {
	for _, holds := range append(conditions, observed) {
		lacks += holds(p)
	}
	return lacks
}

// seen is the set as it was last seen.
func (p *play) seen() *apps.StatefulSet {
	p.Helper()
	sets := list[apps.StatefulSet](p, resourceOf(p.sets.kind))
	if len(sets) == 0 {
		return nil
	}
	return &sets[0]
}

// observed: the status is of this generation.
func observed(p *play) string {
	if set := p.seen(); set != nil && set.Status.ObservedGeneration < set.Generation {
		return "the status is of a former generation. "
	}
	return ""
}

// settled: the set is what was asked for.
func settled(p *play) string {
	set := p.seen()
	if set == nil {
		return "there is no set. "
	}
	n, s := *set.Spec.Replicas, set.Status
	if s.Replicas != n || s.ReadyReplicas != n || s.AvailableReplicas != n || s.UpdatedReplicas != n || s.CurrentReplicas != n {
		return fmt.Sprintf("its status is %s. ", s.String())
	}
	return ""
}

// counts: replicas, ready, available, current and updated ones, in one of these
// numbers.
func counts(want ...string) condition {
	return func(p *play) string {
		got := "none"
		if set := p.seen(); set != nil {
			s := set.Status
			got = fmt.Sprint(s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas)
		}
		if !slices.Contains(want, got) {
			return fmt.Sprintf("the status counts %s, not %s. ", got, strings.Join(want, " or "))
		}
		return ""
	}
}

// happened: the story of the step has this in it.
func happened(what string) condition {
	return func(p *play) string {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !slices.Contains(p.log, what) {
			return what + " did not happen. "
		}
		return ""
	}
}

// claimExists: there is such a claim.
func claimExists(name string) condition {
	return func(p *play) string {
		for _, claim := range list[corev1.PersistentVolumeClaim](p, "persistentvolumeclaims") {
			if claim.Name == name {
				return ""
			}
		}
		return "there is no claim " + name + ". "
	}
}

// lives: the pod is there, and not about to go.
func lives(name string) condition {
	return func(p *play) string {
		for _, pod := range list[corev1.Pod](p, "pods") {
			if pod.Name == name && pod.DeletionTimestamp == nil {
				return ""
			}
		}
		return "there is no pod " + name + ". "
	}
}

// labelled: every pod has its own name in the label.
func labelled(p *play) string {
	for _, pod := range list[corev1.Pod](p, "pods") {
		if pod.Labels[apps.StatefulSetPodNameLabel] != pod.Name {
			return pod.Name + " has not its own label. "
		}
	}
	return ""
}

// note takes down what there is.
func (p *play) note(step string) {
	story := p.story()
	if p.eachPod {
		story = podByPod(story)
	}
	p.facts[step+"story"] = story
	set := p.seen()
	if set == nil {
		set = &apps.StatefulSet{}
	} else {
		status := set.Status
		status.Conditions = nil // what a PetSet has beyond a StatefulSet
		p.facts[step+"status"] = status.String()
	}
	for _, pod := range list[corev1.Pod](p, "pods") {
		p.noteObject(step+"pod ", set, &pod, pod.Spec)
	}
	for _, claim := range list[corev1.PersistentVolumeClaim](p, "persistentvolumeclaims") {
		p.noteObject(step+"claim ", set, &claim, claim.Spec)
	}
	for _, revision := range list[apps.ControllerRevision](p, "controllerrevisions") {
		p.facts[step+"revision "+revision.Name+" number"] = fmt.Sprint(revision.Revision)
		p.noteObject(step+"revision ", set, &revision, revision.Data)
	}
}

func (p *play) noteObject(step string, set *apps.StatefulSet, obj metav1.Object, content any) {
	name := step + obj.GetName() + " "
	text, err := json.Marshal(content)
	p.must(err)
	p.facts[name+"content"] = string(text)
	p.facts[name+"labels"] = fmt.Sprint(obj.GetLabels())
	p.facts[name+"annotations"] = fmt.Sprint(obj.GetAnnotations())
	p.facts[name+"deleting"] = fmt.Sprint(obj.GetDeletionTimestamp() != nil)
	p.facts[name+"finalizers"] = fmt.Sprint(obj.GetFinalizers())
	p.facts[name+"owners"] = p.owners(set, obj.GetOwnerReferences())
}

// owners names them without what differs from run to run, or from kind to kind.
func (p *play) owners(set *apps.StatefulSet, references []metav1.OwnerReference) string {
	var names []string
	for _, owner := range references {
		name := owner.Kind + " " + owner.Name
		switch {
		case owner.UID == set.UID:
			name = "the set"
		case owner.Kind == p.sets.kind.Kind:
			name = "a former set"
		case owner.Kind == "Pod" && !p.exists(owner.UID):
			name = "a former pod " + owner.Name
		}
		if owner.Controller != nil && *owner.Controller {
			name += ", controller"
		}
		if owner.BlockOwnerDeletion != nil && *owner.BlockOwnerDeletion {
			name += ", waited for"
		}
		names = append(names, name)
	}
	return strings.Join(names, "; ")
}

func (p *play) exists(pod types.UID) bool {
	return slices.ContainsFunc(list[corev1.Pod](p, "pods"), func(other corev1.Pod) bool { return other.UID == pod })
}

// end takes the set off the stage: else the next controller takes it over.
func (p *play) end() {
	if p.seen() != nil {
		p.must(p.sets.delete(p.ctx, "web", metav1.DeleteOptions{}))
	}
}

// noteEvents takes down what users were told; not how often, since upstream's
// controller now and then deletes a pod twice.
func (p *play) noteEvents() {
	for _, event := range list[corev1.Event](p, "events") {
		if event.InvolvedObject.Name == "web" {
			message := strings.NewReplacer(p.namespace, "NAMESPACE", p.sets.kind.Kind, "StatefulSet").Replace(event.Message)
			p.facts["event "+event.Type+" "+event.Reason+": "+message] = "sent"
		}
	}
}

// podByPod sorts a story by pods.
func podByPod(story string) string {
	events := strings.Split(story, ", ")
	pod := func(event string) string { return strings.TrimLeft(event[strings.LastIndexByte(event, ' ')+1:], "+-") }
	slices.SortStableFunc(events, func(a, b string) int { return strings.Compare(pod(a), pod(b)) })
	return strings.Join(events, ", ")
}
