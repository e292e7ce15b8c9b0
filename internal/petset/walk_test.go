package petset

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

var (
	seeds     = flag.Uint64("seeds", 400, "how many random walks to take")
	firstSeed = flag.Uint64("seed", 1, "the first of them")
)

func intOrString(n int) intstr.IntOrString { return intstr.FromInt(n) }

// TestWalks runs sets through random histories: users change their minds, pods
// fail, caches lag, the controller dies between two writes. No step may break
// what is promised; and when the faults end, the set must become what was
// asked.
func TestWalks(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seeds; seed++ {
		w := newWorld(seed)
		if err := w.walk(); err != nil {
			t.Fatalf("seed %d: %v\n%s\nagain: go test ./internal/petset -run TestWalks -args -seed %d -seeds 1",
				seed, err, strings.Join(w.said, "\n"), seed)
		}
	}
}

func (w *world) walk() error {
	for range 150 {
		w.now = w.now.Add(time.Second)
		switch w.rand.IntN(12) {
		case 0:
			w.userActs()
		case 1:
			w.garbageCollectorActs()
		case 2, 3, 4, 5, 6:
			w.kubeletActs(true)
		default:
			if err := w.controllerActs(true); err != nil {
				return err
			}
		}
	}
	return w.converge()
}

// converge lets the world work without faults until the set is as asked.
func (w *world) converge() error {
	w.say("the faults end")
	w.userMends()
	var err error
	for range 400 {
		w.now = w.now.Add(time.Second)
		w.kubeletActs(false)
		w.garbageCollectorActs()
		w.humanLooks()
		if err := w.controllerActs(false); err != nil {
			return err
		}
		if err = w.settled(); err == nil {
			return nil
		}
	}
	return err
}

// humanLooks does what scaling in halts for: pods that are to go, and cannot
// start since somebody deleted their claims, are deleted by hand.
func (w *world) humanLooks() {
	set, err := FromStatefulSet(w.sets.truth())
	for _, name := range w.names() {
		_, ordinal, _ := SplitOrdinal(name)
		pod := w.pods.truth()[name]
		if err == nil && !set.Contains(ordinal) && pod.Status.Phase == corev1.PodPending && !w.claimsUsable(pod) {
			w.deletePod(name)
		}
	}
}

// settled returns what is not yet as the set asks for.
func (w *world) settled() error {
	w.catchUp()
	o, err := w.observation()
	if err != nil {
		return err
	}
	plan := Decide(o)
	if len(plan.Actions) != 0 || len(plan.Waits) != 0 {
		return fmt.Errorf("the set does not settle:\n%s", show(plan))
	}
	return w.settledAs(o.Set, plan.Status)
}

// settledAs checks that the pods are what the set asks for.
func (w *world) settledAs(set Set, status apps.StatefulSetStatus) error {
	pods := w.pods.truth()
	if len(pods) != set.Replicas {
		return fmt.Errorf("there are %d pods, want %d", len(pods), set.Replicas)
	}
	for i := range set.Replicas {
		p := pet{ordinal: set.Ordinals.At(i), pod: pods[set.PodName(set.Ordinals.At(i))]}
		switch {
		case !p.ready() || !identityMatches(p.pod) || !set.storageMatches(p.pod, p.ordinal):
			return fmt.Errorf("pet %d is not as it should be", p.ordinal)
		case !set.Update.OnDelete && i >= *set.Update.Partition && p.revision() != status.UpdateRevision:
			return fmt.Errorf("pet %d runs %s, want %s", p.ordinal, p.revision(), status.UpdateRevision)
		case len(set.ClaimTemplates) > 0 && w.claims.truth()[set.ClaimName("data", p.ordinal)] == nil:
			return fmt.Errorf("pet %d has no claim", p.ordinal)
		}
	}
	if stored := w.sets.truth().Status; StatusChanged(stored, status) || status.ReadyReplicas != int32(set.Replicas) {
		return fmt.Errorf("the status is %+v, want %+v", stored, status)
	}
	return nil
}

func (w *world) catchUp() {
	w.sets.catchUp()
	w.pods.catchUp()
	w.claims.catchUp()
}

// observation is what the controller sees: each kind somewhere on its stream.
func (w *world) observation() (Observation, error) {
	set, err := FromStatefulSet(w.sets.observe(w.rand))
	if err != nil {
		return Observation{}, err
	}
	seen := w.pods.observe(w.rand)
	pods := make([]*corev1.Pod, 0, len(seen))
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		pods = append(pods, seen[name])
	}
	w.rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] })
	current, update, err := w.resolveRevisions(set, pods)
	return Observation{Set: set, Current: current, Update: update, Pods: pods,
		Claims: w.claims.observe(w.rand), Now: w.now}, err
}

// controllerActs is one reconcile: with faults on an old view, and perhaps cut
// short by a crash.
func (w *world) controllerActs(faults bool) error {
	if !faults || w.chance(10) {
		w.catchUp() // it starts, and lists
	}
	o, err := w.observation()
	if err != nil {
		return err
	}
	seenSet := w.sets.states[w.sets.seen]
	if w.chance(20) && changesWhatItIsShown(seenSet, o) {
		return errors.New("the decision changed what it was shown")
	}
	plan := Decide(o)
	if err := promised(o, plan); err != nil {
		return fmt.Errorf("%w\n%s", err, show(plan))
	}
	crash := -1
	if faults && w.chance(4) {
		crash = w.rand.IntN(len(plan.Actions) + 1)
	}
	failedStage := Stage(-1)
	for i, action := range plan.Actions {
		if i == crash {
			w.say("the controller dies")
			w.catchUp()
			return nil
		}
		if failedStage >= 0 && action.Stage > failedStage {
			break
		}
		if w.apply(o, action) != nil {
			failedStage = action.Stage
		}
	}
	if seenSet == w.sets.truth() && StatusChanged(seenSet.Status, plan.Status) {
		w.changeSet(func(set *apps.StatefulSet) { set.Status = plan.Status })
		w.sets.catchUp()
	}
	return nil
}

func changesWhatItIsShown(set *apps.StatefulSet, o Observation) bool {
	pods, claims := make([]*corev1.Pod, 0, len(o.Pods)), map[string]*corev1.PersistentVolumeClaim{}
	for _, pod := range o.Pods {
		pods = append(pods, pod.DeepCopy())
	}
	for name, claim := range o.Claims {
		claims[name] = claim.DeepCopy()
	}
	before := []any{set.DeepCopy(), pods, claims}
	Decide(o)
	return !apiequality.Semantic.DeepEqual(before, []any{set, o.Pods, o.Claims})
}

var errRefused = errors.New("the API server refuses it")

// apply does to the world what an API server would.
func (w *world) apply(o Observation, a Action) error {
	pods, claims := maps.Clone(w.pods.truth()), maps.Clone(w.claims.truth())
	switch a.Verb {
	case CreateClaim:
		if claims[a.Claim.Name] != nil {
			return errRefused
		}
		a.Claim.UID = w.uid()
		claims[a.Claim.Name] = a.Claim
	case UpdateClaim:
		if claims[a.Claim.Name] != o.Claims[a.Claim.Name] {
			return errRefused
		}
		claims[a.Claim.Name] = a.Claim
	case CreatePod:
		if pods[a.Pod.Name] != nil {
			return errRefused
		}
		a.Pod.UID, a.Pod.Status.Phase = w.uid(), corev1.PodPending
		pods[a.Pod.Name] = a.Pod
	case UpdatePod:
		if was := pods[a.Pod.Name]; was == nil || was.UID != a.Pod.UID || was.ResourceVersion != a.Pod.ResourceVersion {
			return errRefused
		}
		a.Pod.ResourceVersion = string(w.uid())
		pods[a.Pod.Name] = a.Pod
	case DeletePod:
		was := pods[a.Pod.Name]
		if was == nil || was.UID != a.Pod.UID || was.DeletionTimestamp != nil {
			return nil // gone, another, or on its way
		}
		gone := was.DeepCopy()
		gone.DeletionTimestamp = &metav1.Time{Time: w.now}
		pods[a.Pod.Name] = gone
	}
	w.say("controller: %s %s: %s", a.Verb, a.Object(), a.Reason)
	if a.Claim != nil {
		w.claims.push(claims)
		w.claims.catchUp()
	} else {
		w.pods.push(pods)
		w.pods.catchUp()
	}
	return nil
}
