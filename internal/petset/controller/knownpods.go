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
}

// of returns the pods of a set. The caller may add to them, and is the only one
// who looks at that set now.
func (k *knownPods) of(set client.Object) factsByPod {
	k.mu.Lock()
	defer k.mu.Unlock()
	key := client.ObjectKeyFromObject(set)
	known, ok := k.sets[key]
	if !ok || known.uid != set.GetUID() {
		known = knownSet{set.GetUID(), factsByPod{}}
		k.sets[key] = known
	}
	return known.pods
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
