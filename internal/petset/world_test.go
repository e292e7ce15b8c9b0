package petset

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

func showPods(w *world) string {
	out := &strings.Builder{}
	for _, name := range w.names() {
		pod := w.pods.truth()[name]
		fmt.Fprintf(out, "%s %s on %q, %s, ready %v, going %v, %v %v: %s\n", name, pod.UID, pod.Spec.NodeName, pod.Status.Phase,
			petOf(pod).ready, pod.DeletionTimestamp != nil, pod.Labels, pod.Annotations, physically(pod))
	}
	for _, name := range slices.Sorted(maps.Keys(w.claims.truth())) {
		fmt.Fprintln(out, showClaim(w.claims.truth()[name]))
	}
	return out.String()
}

// world is an API server, nodes with kubelets, storage, a garbage collector,
// users, an application and a controller, in memory. All chance in it comes from
// one seed. Objects are values: a change puts a changed copy in the place of the
// former, so that a view of an earlier moment stays what it was.
type world struct {
	rand *rand.Rand
	now  time.Time
	uids int

	// stateful: the set is an apps/v1 StatefulSet. It is kept as a PetSet all the
	// same, which has all of its fields, and none other is used then.
	stateful  bool
	sets      stream[*v1alpha1.PetSet]
	pods      stream[map[string]*corev1.Pod]
	claims    stream[map[string]*corev1.PersistentVolumeClaim]
	revisions stream[[]*apps.ControllerRevision]
	volumes   stream[map[string]*corev1.PersistentVolume]

	// local: volumes are on the nodes' own disks, and there are objects of them.
	local bool
	nodes map[string]*node
	// processes are the containers that truly run, by the name that they hold.
	processes map[string]types.UID
	// growsOnline: the storage can make a file system larger under a pod.
	growsOnline bool
	// dependency is ready; the set is the only one of its name.
	dependencyReady bool
	nameTaken       bool
	// everBroken: some revision makes pods that never become ready.
	everBroken bool

	controller controllerProcess
	witness    witness

	// calm is how much rarer than at worst trouble is: where nothing ever comes to
	// an end, nothing new begins either.
	calm int

	// loud worlds keep their story. That takes time, so only a world that failed
	// is run once more, loudly.
	loud  bool
	story []string
}

// stream is what a watch of one kind sees: state after state. The controller's
// cache is somewhere on it; never before what it wrote itself, nor going back.
type stream[T any] struct {
	states []T
	seen   int
}

func (s *stream[T]) truth() T { return s.states[len(s.states)-1] }

func (s *stream[T]) push(now T) { s.states = append(s.states, now) }

func (s *stream[T]) catchUp() { s.seen = len(s.states) - 1 }

func (s *stream[T]) view() T { return s.states[s.seen] }

func (s *stream[T]) observe(r *rand.Rand) T {
	s.seen += r.IntN(len(s.states) - s.seen)
	return s.view()
}

func newWorld(seed uint64, loud bool) *world {
	w := &world{rand: rand.New(rand.NewPCG(seed, 0)), now: time.Unix(1_800_000_000, 0), loud: loud,
		processes: map[string]types.UID{}, dependencyReady: true}
	w.stateful, w.growsOnline, w.calm = w.chance(3), w.chance(2), oneOf(w, 1, 4, 16)
	w.local = w.chance(3)
	w.makeNodes()
	w.pods.push(map[string]*corev1.Pod{})
	w.claims.push(map[string]*corev1.PersistentVolumeClaim{})
	w.revisions.push(nil)
	w.volumes.push(map[string]*corev1.PersistentVolume{})
	w.sets.push(w.newSet())
	w.controller.start(w)
	w.witness.start()
	return w
}

func (w *world) chance(oneIn int) bool { return w.rand.IntN(oneIn) == 0 }

func (w *world) trouble(oneIn int) bool { return w.chance(oneIn * w.calm) }

func (w *world) upTo(n int) int32 { return int32(w.rand.IntN(n + 1)) }

func oneOf[T any](w *world, choices ...T) T { return choices[w.rand.IntN(len(choices))] }

func (w *world) say(format string, args ...any) {
	if w.loud {
		w.story = append(w.story, fmt.Sprintf("%5.0f s  ", w.now.Sub(time.Unix(1_800_000_000, 0)).Seconds())+fmt.Sprintf(format, args...))
	}
}

// unique is a UID, resource version or container ID that nothing else has.
func (w *world) unique() string {
	w.uids++
	return fmt.Sprint("id-", w.uids)
}

// length of all that ever happened: when it stands still, the world does.
func (w *world) length() int {
	return len(w.sets.states) + len(w.pods.states) + len(w.claims.states) + len(w.revisions.states) + len(w.volumes.states)
}

func (w *world) catchUp() {
	w.sets.catchUp()
	w.pods.catchUp()
	w.claims.catchUp()
	w.revisions.catchUp()
	w.volumes.catchUp()
}
