package petset

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	featuregatetesting "k8s.io/component-base/featuregate/testing"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"k8s.io/kubernetes/pkg/features"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// TestLikeUpstream lets the same things happen to two StatefulSets, one of them
// looked after by upstream's rules and one by ours. After each thing both are let
// go on until they rest; then both must have done the same to their pods, in the
// same order, and everything must be the same: pods, claims, revisions, status.
// What is meant to differ ends a history (see apart).
func TestLikeUpstream(t *testing.T) {
	for _, limits := range []bool{false, true} {
		t.Run(fmt.Sprintf("max unavailable %v", limits), func(t *testing.T) {
			featuregatetesting.SetFeatureGateDuringTest(t, utilfeature.DefaultFeatureGate, features.MaxUnavailableStatefulSet, limits)
			histories, things := *seeds/40, 0 // they take longer than walks
			for seed := *firstSeed; seed < *firstSeed+histories; seed++ {
				p := newPair(seed)
				if err := p.walk(); err != nil {
					t.Fatalf("seed %d: %v\n%s", seed, err, strings.Join(p.story, "\n"))
				}
				things += len(p.story)
			}
			t.Logf("%d things happened in %d histories", things, histories)
		})
	}
}

// pair is two worlds in which the same happens.
type pair struct {
	ours, theirs *world
	upstream     *upstream
	// chance is another world, whose only use is that it rolls the dice.
	chance *world
	story  []string
}

// asStored does what the API server does with maxUnavailable.
func asStored(set *v1alpha1.PetSet) {
	rolling := set.Spec.UpdateStrategy.RollingUpdate
	switch {
	case rolling == nil:
	case !utilfeature.DefaultFeatureGate.Enabled(features.MaxUnavailableStatefulSet):
		rolling.MaxUnavailable = nil
	case rolling.MaxUnavailable == nil:
		rolling.MaxUnavailable = ptr.To(intstr.FromInt32(1))
	}
}

// always is a source of randomness in which nothing unlikely happens, and views
// are never stale.
type always struct{}

func (always) Uint64() uint64 { return math.MaxUint64 }

func newPair(seed uint64) *pair {
	chance := &world{rand: rand.New(rand.NewPCG(seed, 1)), stateful: true, calm: 1}
	set := chance.newSet()
	set.Annotations = nil // it would not be like upstream's
	asStored(set)
	p := &pair{ours: newQuietWorld(set), theirs: newQuietWorld(set), chance: chance}
	p.upstream = newUpstream(p.theirs)
	p.story = []string{describe(set) + ", " + string(set.Spec.PodManagementPolicy)}
	return p
}

func newQuietWorld(set *v1alpha1.PetSet) *world {
	w := newWorld(0, false)
	w.rand, w.stateful, w.local = rand.New(always{}), true, false
	w.sets = stream[*v1alpha1.PetSet]{states: []*v1alpha1.PetSet{set.DeepCopy()}}
	w.controller.start(w)
	return w
}

func (p *pair) walk() error {
	for range 60 {
		name, happens := p.next()
		p.story = append(p.story, name)
		before := [2]int{len(p.ours.pods.states), len(p.theirs.pods.states)}
		for _, w := range []*world{p.ours, p.theirs} {
			w.now = w.now.Add(time.Second)
			happens(w)
		}
		if err := p.rest(); err != nil {
			return err
		}
		if p.apart() {
			return nil
		}
		ordered := p.ours.sets.truth().Spec.PodManagementPolicy == "OrderedReady"
		ours, theirs := podStory(p.ours, before[0], ordered), podStory(p.theirs, before[1], ordered)
		if ours != theirs {
			return fmt.Errorf("upstream: %s\nours:     %s\n%s\n%s", theirs, ours, everything(p.theirs), everything(p.ours))
		}
		if ours, theirs := everything(p.ours), everything(p.theirs); ours != theirs {
			return fmt.Errorf("upstream's:\n%s\nours:\n%s", theirs, ours)
		}
	}
	return nil
}

// rest lets both do what they will, until neither does anything.
func (p *pair) rest() error {
	if err := untilStill(p.ours, func() error { return p.ours.controllerActs(false) }); err != nil {
		return fmt.Errorf("ours: %w", err)
	}
	if err := untilStill(p.theirs, p.upstream.acts); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

func untilStill(w *world, act func() error) error {
	for range 100 {
		before := w.length()
		if err := act(); err != nil {
			return err
		}
		if w.length() == before {
			return nil
		}
	}
	return fmt.Errorf("it goes on and on")
}

// next is what happens next; the worlds are the same until now.
func (p *pair) next() (name string, happens func(*world)) {
	pods, claims := p.ours.names(), slices.Sorted(maps.Keys(p.ours.claims.truth()))
	switch dice := p.chance.rand.IntN(24); {
	case len(pods) > 0 && dice < 8:
		pod := oneOf(p.chance, pods...)
		return "the kubelet of " + pod, func(w *world) { w.kubeletActs(pod, false) }
	case dice < 14:
		return "all kubelets", func(w *world) {
			for _, pod := range pods {
				w.kubeletActs(pod, false)
			}
		}
	case len(pods) > 0 && dice < 18:
		return p.podSuffers(oneOf(p.chance, pods...))
	case dice < 19 && maps.EqualFunc(p.ours.claims.truth(), p.theirs.claims.truth(), sameOwners):
		return "storage and garbage collection", func(w *world) { w.storageActs(false); w.garbageCollectorActs() }
	case len(claims) > 0 && dice < 20 && p.chance.chance(3):
		claim := oneOf(p.chance, claims...)
		return claim + " is deleted", func(w *world) { w.deleteClaim(claim) }
	case p.chance.chance(60):
		return "the set is deleted", func(w *world) {
			w.changeSet(func(set *v1alpha1.PetSet) {
				set.Generation, set.DeletionTimestamp = set.Generation+1, &metav1.Time{Time: w.now}
			})
		}
	}
	spec := p.ours.sets.truth().DeepCopy()
	p.chance.userChanges(spec)
	asStored(spec)
	return "the user: " + describe(spec), func(w *world) {
		w.changeSpec(func(set *v1alpha1.PetSet) { set.Spec = *spec.Spec.DeepCopy() })
	}
}

func (p *pair) podSuffers(pod string) (name string, happens func(*world)) {
	switch p.chance.rand.IntN(6) {
	case 0, 1:
		return pod + " is deleted", func(w *world) { w.deletePod(pod) }
	case 2:
		phase := oneOf(p.chance, corev1.PodFailed, corev1.PodSucceeded)
		return fmt.Sprintf("%s has %s", pod, phase), func(w *world) {
			delete(w.processes, pod)
			w.changePod(pod, func(pod *corev1.Pod) { pod.Status.Phase, pod.Status.Conditions = phase, nil })
		}
	case 3:
		label := oneOf(p.chance, "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index", "controller-revision-hash")
		return pod + " loses " + label, func(w *world) {
			w.changePod(pod, func(pod *corev1.Pod) { delete(pod.Labels, label) })
		}
	default:
		return pod + " is not ready", func(w *world) {
			w.changePod(pod, func(pod *corev1.Pod) { w.setReady(pod, corev1.ConditionFalse) })
		}
	}
}

// apart: we mean to do better from here on.
func (p *pair) apart() bool {
	set, err := p.ours.convert(p.ours.sets.truth())
	if err != nil {
		return true
	}
	for name := range p.ours.claims.truth() {
		// Upstream may come late with the owners, and the claim goes with its pod.
		if p.ours.ownedByPod(name) != p.theirs.ownedByPod(name) {
			return true
		}
	}
	for _, w := range []*world{p.ours, p.theirs} {
		for i := range set.Replicas {
			// One pet of a Parallel set that waits for its claim holds up all others of
			// upstream's.
			ordinal := set.Ordinals.At(i)
			held := petOf(w.pods.truth()[set.PodName(ordinal)])
			if set.Parallel && (held.pod == nil || held.pending) && w.goes(set.ClaimName("data", ordinal)) {
				return true
			}
		}
		for _, name := range w.names() {
			pod := w.pods.truth()[name]
			_, ordinal, _ := SplitOrdinal(name)
			switch p := petOf(pod); {
			// Upstream waits for ever until a pod that ended becomes healthy.
			case p.finished && !set.Contains(ordinal):
				return true
			// Upstream lets the data go of a pet that is wanted again.
			case p.terminating && set.Contains(ordinal) && slices.ContainsFunc(claimsOf(pod), w.ownedByPod):
				return true
			}
		}
	}
	return false
}

func (w *world) ownedByPod(claim string) bool {
	there := w.claims.truth()[claim]
	return there != nil && slices.ContainsFunc(there.OwnerReferences, func(ref metav1.OwnerReference) bool { return ref.Kind == "Pod" })
}

// podStory tells what happened to pods. Where pets have no order, neither has it.
func podStory(w *world, since int, ordered bool) string {
	var story []string
	for i := since; i < len(w.pods.states); i++ {
		was, is := w.pods.states[i-1], w.pods.states[i]
		for name, pod := range is {
			switch before := was[name]; {
			case before == nil:
				story = append(story, "+"+name)
			case before.DeletionTimestamp == nil && pod.DeletionTimestamp != nil:
				story = append(story, "deleting "+name)
			}
		}
		for name := range was {
			if is[name] == nil {
				story = append(story, "-"+name)
			}
		}
	}
	if !ordered {
		slices.Sort(story)
	}
	return strings.Join(story, ", ")
}

// owners of the claims. We put them right at once; upstream when it comes to the
// pet, which may be long after, while another pet is not ready.
func owners(claim *corev1.PersistentVolumeClaim) (owners []string) {
	for _, ref := range claim.OwnerReferences {
		owners = append(owners, fmt.Sprintf("%s %s, controller %v, waited for %v", ref.Kind, ref.Name, ptr.Deref(ref.Controller, false), ptr.Deref(ref.BlockOwnerDeletion, false)))
	}
	return owners
}

func sameOwners(a, b *corev1.PersistentVolumeClaim) bool { return slices.Equal(owners(a), owners(b)) }

// everything else that can be told apart; owners only of the claims of a set that
// is as it was asked for.
func everything(w *world) string {
	out := &strings.Builder{}
	set := asStatefulSet(w.sets.truth())
	settled := set.Status.Replicas == *set.Spec.Replicas && set.Status.AvailableReplicas == set.Status.Replicas &&
		!slices.ContainsFunc(w.names(), func(name string) bool { return w.pods.truth()[name].DeletionTimestamp != nil })
	for _, name := range w.names() {
		pod := w.pods.truth()[name]
		labels := maps.Clone(pod.Labels)
		delete(labels, v1alpha1.FailoverLabel) // upstream has no such thing
		fmt.Fprintf(out, "%s %s, ready %v, going %v, %v %v, mounts %v, %v\n", name, pod.Status.Phase, podutil.IsPodReady(pod),
			pod.DeletionTimestamp != nil, labels, pod.Annotations, claimsOf(pod), pod.Spec.Containers[0].Image)
		for _, claim := range claimsOf(pod) {
			if there := w.claims.truth()[claim]; there != nil && settled {
				fmt.Fprintln(out, claim, "is owned by", owners(there))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(w.claims.truth())) {
		claim := w.claims.truth()[name]
		fmt.Fprintln(out, name, requested(claim), claim.Labels, claim.DeletionTimestamp != nil)
	}
	fmt.Fprintln(out, set.Status.String())
	return out.String()
}
