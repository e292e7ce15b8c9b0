package fence

import (
	"maps"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// api is an API server with its quorum, and a controller and a scheduler that give
// every pet a pod on some node.
type api struct {
	w       *world
	down    bool
	version uint64
	leases  map[string]Lease
	pods    map[string]corev1.Pod
	uids    int
}

func newAPI(w *world) *api {
	a := &api{w: w, leases: map[string]Lease{}, pods: map[string]corev1.Pod{}}
	w.every(500*time.Millisecond, a.schedule)
	return a
}

// ask is a request: carry out, and then the answer. Either may be lost or late.
func ask[T any](w *world, from string, carryOut func() T, answer func(T)) {
	w.send(from, "api", func() {
		if w.api.down {
			return
		}
		result := carryOut()
		w.send("api", from, func() {
			if !w.api.down {
				answer(result)
			}
		})
	})
}

func (a *api) list() []Lease {
	var all []Lease
	for _, name := range slices.Sorted(maps.Keys(a.leases)) {
		all = append(all, a.leases[name])
	}
	return all
}

func (a *api) read(name string) Answer {
	lease, exists := a.leases[name]
	if !exists {
		return Answer{Outcome: Gone}
	}
	return Answer{Lease: lease}
}

func (a *api) write(lease Lease) Answer {
	committed, exists := a.leases[lease.Node]
	if a.w.broken != "PRECONDITION" && committed.Version != lease.Version || !exists && lease.Version != 0 {
		return Answer{Outcome: Conflict}
	}
	a.version++
	lease.UID, lease.Version = types.UID(lease.Node), a.version
	a.leases[lease.Node] = lease
	if committed.State != lease.State || committed.Epoch != lease.Epoch {
		a.w.say("api: lease of %s is %s, epoch %d, members %v", lease.Node, lease.State, lease.Epoch, lease.Members)
	}
	return Answer{Lease: lease}
}

func (a *api) podsOf(node string) []corev1.Pod {
	var own []corev1.Pod
	for _, name := range slices.Sorted(maps.Keys(a.pods)) {
		if a.pods[name].Spec.NodeName == node {
			own = append(own, a.pods[name])
		}
	}
	return own
}

// claim is a node's write to a pod.
func (a *api) claim(pod corev1.Pod) bool {
	if committed, ok := a.pods[pod.Name]; !ok || committed.UID != pod.UID || committed.ResourceVersion != pod.ResourceVersion {
		return false
	}
	a.put(pod)
	return true
}

func (a *api) delete(pod corev1.Pod, options metav1.DeleteOptions) bool {
	committed, ok := a.pods[pod.Name]
	if !ok || *options.Preconditions.UID != committed.UID || *options.Preconditions.ResourceVersion != committed.ResourceVersion {
		return false
	}
	a.w.say("api: pod %s, uid %s, on %s is deleted", pod.Name, pod.UID, committed.Spec.NodeName)
	delete(a.pods, pod.Name)
	a.w.after(20*time.Millisecond, a.schedule)
	return true
}

func (a *api) put(pod corev1.Pod) {
	a.version++
	pod.ResourceVersion = strconv.FormatUint(a.version, 10)
	a.pods[pod.Name] = pod
}

// schedule prefers nodes whose lease is open. But a scheduler may not know better.
func (a *api) schedule() {
	if a.down || len(a.leases) == 0 {
		return
	}
	for _, name := range pets {
		if _, exists := a.pods[name]; exists {
			continue
		}
		leases := a.list()
		open := slices.DeleteFunc(a.list(), func(lease Lease) bool { return lease.State != Open })
		if len(open) > 0 && !(a.w.faults && a.w.oneIn(5)) {
			leases = open
		}
		a.uids++
		node := leases[a.w.rand.IntN(len(leases))].Node
		a.w.say("api: pod %s, uid %d, on %s is created", name, a.uids, node)
		a.put(corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(strconv.Itoa(a.uids)), Labels: map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced}},
			Spec:       corev1.PodSpec{NodeName: node},
		})
		for _, h := range a.w.hosts {
			if h.name == node {
				a.w.after(20*time.Millisecond, h.local(h.kubelet)) // it watches
			}
		}
	}
}
