package petset

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/controller/history"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// world is an API server, kubelets, a garbage collector and a user, in memory.
// Objects are values: a change puts a changed copy in the place of the former.
type world struct {
	rand *rand.Rand
	now  time.Time
	uids int

	sets      stream[*apps.StatefulSet]
	pods      stream[map[string]*corev1.Pod]
	claims    stream[map[string]*corev1.PersistentVolumeClaim]
	revisions []*apps.ControllerRevision
	// said is the story so far, for a failing seed.
	said []string
}

// stream is what a watch of one kind sees: state after state. The controller's
// cache is somewhere on it; never before what it wrote itself, nor going back.
type stream[T any] struct {
	states []T
	seen   int
}

func (s *stream[T]) truth() T   { return s.states[len(s.states)-1] }
func (s *stream[T]) push(now T) { s.states = append(s.states, now) }
func (s *stream[T]) catchUp()   { s.seen = len(s.states) - 1 }
func (s *stream[T]) observe(r *rand.Rand) T {
	s.seen += r.IntN(len(s.states) - s.seen)
	return s.states[s.seen]
}

func newWorld(seed uint64) *world {
	w := &world{rand: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_800_000_000, 0)}
	set := &apps.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set", Generation: 1, ResourceVersion: "1"}}
	set.Spec.Replicas = ptr.To(w.upTo(5))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Template = *template()
	set.Spec.RevisionHistoryLimit = ptr.To(w.upTo(2))
	if w.chance(2) {
		set.Spec.PodManagementPolicy = apps.ParallelPodManagement
	}
	if w.chance(2) {
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}
	}
	if w.chance(3) {
		set.Spec.MinReadySeconds = 3
	}
	if w.chance(2) {
		set.Annotations = map[string]string{v1alpha1.RecoveryAnnotation: "Replace"}
	}
	w.chooseStrategy(set)
	w.choosePolicy(set)
	w.sets.push(set)
	w.pods.push(map[string]*corev1.Pod{})
	w.claims.push(map[string]*corev1.PersistentVolumeClaim{})
	return w
}

func (w *world) chance(oneIn int) bool { return w.rand.IntN(oneIn) == 0 }
func (w *world) upTo(n int) int32      { return int32(w.rand.IntN(n + 1)) }

func (w *world) say(format string, args ...any) {
	w.said = append(w.said, fmt.Sprintf(format, args...))
}

func (w *world) uid() types.UID {
	w.uids++
	return types.UID(fmt.Sprint("uid-", w.uids))
}

func (w *world) chooseStrategy(set *apps.StatefulSet) {
	if w.chance(5) {
		set.Spec.UpdateStrategy = apps.StatefulSetUpdateStrategy{Type: apps.OnDeleteStatefulSetStrategyType}
		return
	}
	rolling := &apps.RollingUpdateStatefulSetStrategy{Partition: ptr.To(int32(0))}
	if w.chance(3) {
		rolling.Partition = ptr.To(w.upTo(4))
	}
	if w.chance(3) {
		rolling.MaxUnavailable = ptr.To(intOrString(1 + int(w.upTo(2))))
	}
	set.Spec.UpdateStrategy = apps.StatefulSetUpdateStrategy{Type: apps.RollingUpdateStatefulSetStrategyType, RollingUpdate: rolling}
}

func (w *world) choosePolicy(set *apps.StatefulSet) {
	choose := func() apps.PersistentVolumeClaimRetentionPolicyType {
		if w.chance(2) {
			return apps.RetainPersistentVolumeClaimRetentionPolicyType
		}
		return apps.DeletePersistentVolumeClaimRetentionPolicyType
	}
	set.Spec.PersistentVolumeClaimRetentionPolicy = &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{
		WhenScaled: choose(), WhenDeleted: choose()}
}

// userActs lets the user change their mind, or a pod.
func (w *world) userActs() {
	switch pods, claims := w.names(), slices.Sorted(maps.Keys(w.claims.truth())); {
	case len(pods) > 0 && w.chance(2):
		w.deletePod(pods[w.rand.IntN(len(pods))])
		return
	case len(claims) > 0 && w.chance(3):
		w.deleteClaim(claims[w.rand.IntN(len(claims))])
		return
	}
	w.changeSet(func(set *apps.StatefulSet) {
		set.Generation++
		switch w.rand.IntN(5) {
		case 0:
			set.Spec.Replicas = ptr.To(w.upTo(5))
		case 1:
			set.Spec.Template.Annotations = map[string]string{"version": fmt.Sprint(w.upTo(3))}
			if len(set.Annotations) > 0 && w.chance(3) {
				set.Spec.Template.Annotations["version"] = brokenVersion
			}
		case 2:
			w.chooseStrategy(set)
		case 3:
			w.choosePolicy(set)
		case 4:
			set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: w.upTo(2)}
		}
		w.say("user: %d replicas from %v, template %v, %v", *set.Spec.Replicas, set.Spec.Ordinals, set.Spec.Template.Annotations, set.Spec.UpdateStrategy.Type)
	})
}

// brokenVersion of the template makes pods that never become ready. Only a set
// that replaces them gets it: another one would wait for a human.
const brokenVersion = "broken"

// userMends puts what cannot work right.
func (w *world) userMends() {
	if w.sets.truth().Annotations == nil {
		return
	}
	w.changeSet(func(set *apps.StatefulSet) {
		set.Generation++
		set.Spec.Template.Annotations = map[string]string{"version": "mended"}
		set.Spec.UpdateStrategy = apps.StatefulSetUpdateStrategy{Type: apps.RollingUpdateStatefulSetStrategyType,
			RollingUpdate: &apps.RollingUpdateStatefulSetStrategy{Partition: ptr.To(int32(0))}}
		w.say("user: mends the template")
	})
}

func (w *world) changeSet(change func(*apps.StatefulSet)) {
	set := w.sets.truth().DeepCopy()
	set.ResourceVersion = fmt.Sprint(w.uid())
	change(set)
	w.sets.push(set)
}

func (w *world) names() []string {
	return slices.Sorted(maps.Keys(w.pods.truth()))
}

// kubeletActs moves one pod on; to its ruin too, when faults are allowed.
func (w *world) kubeletActs(faults bool) {
	names := w.names()
	if len(names) == 0 {
		return
	}
	name := names[w.rand.IntN(len(names))]
	w.changePod(name, func(pod *corev1.Pod) bool {
		switch {
		case pod.DeletionTimestamp != nil:
			return false
		case pod.Status.Phase == corev1.PodFailed:
		case faults && w.chance(8):
			pod.Status.Phase, pod.Status.Conditions = corev1.PodFailed, nil
		case faults && w.chance(8): //nolint:gocritic // each case rolls the dice anew
			pod.Status.Conditions = nil
		case faults && w.chance(10):
			delete(pod.Labels, apps.StatefulSetPodNameLabel)
		case faults && w.chance(10): //nolint:gocritic // each case rolls the dice anew
			pod.Spec.Volumes = nil // as an adopted pod may be
		case pod.Status.Phase == corev1.PodPending && !w.claimsUsable(pod):
		case pod.Status.Phase == corev1.PodPending:
			pod.Status.Phase = corev1.PodRunning
		case pod.Annotations["version"] == brokenVersion:
		case len(pod.Status.Conditions) == 0:
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(w.now)}}
		}
		return true
	})
}

// claimsUsable: no pod is scheduled while one of its claims is missing or going.
func (w *world) claimsUsable(pod *corev1.Pod) bool {
	for _, volume := range pod.Spec.Volumes {
		claim := w.claims.truth()[volume.PersistentVolumeClaim.ClaimName]
		if claim == nil || claim.DeletionTimestamp != nil {
			return false
		}
	}
	return true
}

func (w *world) changePod(name string, change func(*corev1.Pod) (stays bool)) {
	pods := maps.Clone(w.pods.truth())
	pod := pods[name].DeepCopy()
	pod.ResourceVersion = fmt.Sprint(w.uid())
	if change(pod) {
		pods[name] = pod
	} else {
		delete(pods, name)
	}
	w.pods.push(pods)
}

// deletePod is graceful: the kubelet has the last word.
func (w *world) deletePod(name string) {
	if w.pods.truth()[name].DeletionTimestamp == nil {
		w.say("%s is deleted", name)
		w.changePod(name, func(pod *corev1.Pod) bool {
			pod.DeletionTimestamp = &metav1.Time{Time: w.now}
			return true
		})
	}
}

// deleteClaim begins to delete a claim; it stays while a pod uses it.
func (w *world) deleteClaim(name string) {
	w.say("claim %s is deleted", name)
	claims := maps.Clone(w.claims.truth())
	claims[name] = claims[name].DeepCopy()
	claims[name].DeletionTimestamp = &metav1.Time{Time: w.now}
	w.claims.push(claims)
}

// inUse: a pod that was started mounts the claim.
func (w *world) inUse(claim string) bool {
	_, ordinal, _ := SplitOrdinal(claim)
	pod := w.pods.truth()[fmt.Sprint("web-", ordinal)]
	return pod != nil && pod.Status.Phase != corev1.PodPending
}

// garbageCollectorActs takes the claims whose owners are all gone, and those
// that were deleted and nobody uses.
func (w *world) garbageCollectorActs() {
	claims := maps.Clone(w.claims.truth())
	for name, claim := range claims {
		if claim.DeletionTimestamp != nil && !w.inUse(name) {
			delete(claims, name)
			continue
		}
		gone := func(ref metav1.OwnerReference) bool {
			pod := w.pods.truth()[ref.Name]
			return ref.Kind == "Pod" && (pod == nil || pod.UID != ref.UID)
		}
		if len(claim.OwnerReferences) > 0 && !slices.ContainsFunc(claim.OwnerReferences, func(ref metav1.OwnerReference) bool { return !gone(ref) }) {
			w.say("claim %s is collected", name)
			delete(claims, name)
		}
	}
	w.claims.push(claims)
}

// resolveRevisions is the controller's way to its revisions, without faults.
func (w *world) resolveRevisions(set Set, pods []*corev1.Pod) (current, update Revision, err error) {
	data, err := set.RevisionData()
	if err != nil {
		return current, update, err
	}
	choice, err := set.ChooseRevision(data, w.revisions)
	if err != nil {
		return current, update, err
	}
	existing := slices.Clone(w.revisions)
	choice.Revision.Revision = choice.Number
	if choice.Step == CreateRevision {
		w.revisions = append(w.revisions, choice.Revision)
	}
	history.SortControllerRevisions(w.revisions)
	now := set.CurrentRevision(existing, choice.Revision)
	if current, err = DecodeRevision(now); err != nil {
		return current, update, err
	}
	update, err = DecodeRevision(choice.Revision)
	for _, old := range set.ObsoleteRevisions(existing, pods, current.Name, update.Name) {
		w.revisions = slices.DeleteFunc(w.revisions, func(r *apps.ControllerRevision) bool { return r == old })
	}
	return current, update, err
}
