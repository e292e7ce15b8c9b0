package petset

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// attempt is one try to drain a pod.
type attempt struct {
	pod   string
	until time.Time
}

// drain begins an attempt, unless one is under way.
func (c *controllerProcess) drain(w *world, pod *corev1.Pod) {
	if c.drains[pod.UID] == nil {
		c.drains[pod.UID] = &attempt{pod: pod.Name, until: w.now.Add(10 * time.Second)}
	}
}

// drainsAct lets attempts come to an end, or not.
func (w *world) drainsAct(faults bool) {
	c := &w.controller
	for _, uid := range slices.Sorted(maps.Keys(c.drains)) {
		pod := w.pods.truth()[c.drains[uid].pod]
		switch runs := w.processes[c.drains[uid].pod] == uid && !w.nodes[pod.Spec.NodeName].down; {
		case faults && w.chance(2) && w.now.Before(c.drains[uid].until):
			continue // it goes on
		case !runs || faults && w.chance(3):
			w.say("%s fails to drain", c.drains[uid].pod)
			c.failures[uid] = "it does not answer"
		default:
			w.say("%s has drained", pod.Name)
			w.witness.left[uid] = true
			if faults && w.chance(6) {
				c.failures[uid] = "nobody could be told"
				break
			}
			delete(c.failures, uid)
			w.markDrained(uid, pod.Name)
		}
		delete(c.drains, uid)
	}
}

func (w *world) markDrained(uid types.UID, name string) {
	if pod := w.pods.truth()[name]; pod == nil || pod.UID != uid {
		return
	}
	w.changePod(name, func(pod *corev1.Pod) {
		pod.Annotations = maps.Clone(pod.Annotations)
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[v1alpha1.DrainedAnnotation] = w.now.UTC().Format(time.RFC3339)
	})
}
