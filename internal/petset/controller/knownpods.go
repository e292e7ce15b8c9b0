package controller

import (
	"maps"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// factsByPod are the facts of pods that were found to be a set's own. A pod in
// the cache never changes, a changed one is another, so these hold for good: a
// set's selector cannot change.
type factsByPod = map[*corev1.Pod]petset.Facts

// knownPods remembers what was read from the pods of each set, so that a look
// need not read again what is as it was.
type knownPods struct {
	mu   sync.Mutex
	sets map[types.NamespacedName]knownSet
}

type knownSet struct {
	uid  types.UID
	pods factsByPod
	// nodes of the pods by their names, those of former pods included until another
	// of the same name comes. A controller that starts anew has forgotten those.
	nodes map[string]string
}

// saw remembers a pod that was not known as it is now.
func (k knownSet) saw(pod *corev1.Pod) {
	k.pods[pod] = petset.FactsOf(pod)
	if pod.Spec.NodeName != "" {
		k.nodes[pod.Name] = pod.Spec.NodeName
	} else {
		delete(k.nodes, pod.Name)
	}
}

// failedOver returns on which node pets ran that have no pod, by the pod's name, if
// that node is fenced. It matters where pets have an order.
func (k knownSet) failedOver(set petset.Set, present []*corev1.Pod, fenced func(node string) bool) map[string]string {
	if set.Parallel {
		return nil
	}
	former := maps.Clone(k.nodes)
	for _, pod := range present {
		delete(former, pod.Name)
	}
	for name, node := range former {
		if _, ordinal, _ := petset.SplitOrdinal(name); !set.Contains(ordinal) {
			delete(k.nodes, name) // it was scaled away
			delete(former, name)
		} else if !fenced(node) {
			delete(former, name)
		}
	}
	return former
}

// of returns what is known of a set. The caller may add to it, and is the only one
// who looks at that set now.
func (k *knownPods) of(set client.Object) knownSet {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := client.ObjectKeyFromObject(set)
	known, ok := k.sets[key]
	if !ok || known.uid != set.GetUID() {
		known = knownSet{set.GetUID(), factsByPod{}, map[string]string{}}
		k.sets[key] = known
	}
	return known
}

func (k *knownPods) forget(set types.NamespacedName) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.sets, set)
}

// forgetFormer removes pods that are no more, when they have become many.
func forgetFormer(known factsByPod, present []*corev1.Pod) {
	if len(known) <= 2*len(present) {
		return
	}
	kept := make(map[*corev1.Pod]bool, len(present))
	for _, pod := range present {
		kept[pod] = true
	}
	maps.DeleteFunc(known, func(pod *corev1.Pod, _ petset.Facts) bool { return !kept[pod] })
}
