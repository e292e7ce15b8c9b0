package petset

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// node runs pods. One that is down answers nobody, and what it ran may run on.
type node struct {
	cpus resource.Quantity
	down bool
	// fenced: no pet runs there any more, and everybody can read that.
	fenced bool
	// gone: it is no part of the cluster any more. It was switched off before.
	gone bool
}

func (w *world) makeNodes() {
	w.nodes = map[string]*node{"small": {cpus: resource.MustParse("4")}, "large": {cpus: resource.MustParse("8")}, "larger": {cpus: resource.MustParse("16")}}
}

func (w *world) nodeNames() []string { return slices.Sorted(maps.Keys(w.nodes)) }

// fits: the pod's node is large enough for it. Pods do not compete.
func (w *world) fits(pod *corev1.Pod) bool {
	return w.nodes[pod.Spec.NodeName].has(pod)
}

func (n *node) has(pod *corev1.Pod) bool {
	return len(pod.Spec.Containers) == 0 || pod.Spec.Containers[0].Resources.Requests.Cpu().Cmp(n.cpus) <= 0
}

// nodesAct lets a node vanish, be fenced, come back, or be given up by a human: that
// one switches it off and deletes its pods by force.
func (w *world) nodesAct() {
	name := oneOf(w, w.nodeNames()...)
	n := w.nodes[name]
	switch dice := w.rand.IntN(8); {
	case n.fenced && dice < 6:
		w.judgeTakes(name)
	case n.down && dice < 4:
		w.say("node %s is fenced", name)
		n.fenced = true
	case !n.down && w.trouble(4):
		w.say("node %s vanishes", name)
		n.down = true
	case n.down && dice < 5:
		w.nodeReturns(name)
	case n.down && dice == 5:
		w.switchOff(name)
	case n.down && !n.fenced && dice == 6:
		w.switchOff(name)
		n.gone = true
	}
}

// switchOff is what a human does.
func (w *world) switchOff(node string) {
	w.say("node %s is switched off, and its pods are deleted by force", node)
	for _, pod := range w.names() {
		if w.pods.truth()[pod].Spec.NodeName == node {
			delete(w.processes, pod)
			w.removePod(pod)
		}
	}
}

// judgeTakes takes the pets from a fenced node.
func (w *world) judgeTakes(node string) {
	for _, name := range w.names() {
		if pod := w.pods.truth()[name]; pod.Spec.NodeName == node && pod.Labels[v1alpha1.FailoverLabel] == v1alpha1.FailoverFenced {
			w.say("%s is taken from node %s", name, node)
			delete(w.processes, name)
			w.removePod(name)
		}
	}
}

func (w *world) nodeReturns(name string) {
	w.say("node %s is back", name)
	*w.nodes[name] = node{cpus: w.nodes[name].cpus}
}

// schedule waits for the pod's claims, and for a node that is large enough.
func (w *world) schedule(pod *corev1.Pod) (changed bool) {
	nodes := slices.DeleteFunc(w.nodeNames(), func(name string) bool {
		return w.nodes[name].down || !w.nodes[name].has(pod) || !w.hasVolumes(name, pod)
	})
	switch {
	case pod.DeletionTimestamp != nil || !w.claimsUsable(pod):
	case len(nodes) == 0 && len(pod.Status.Conditions) == 0:
		return setPodCondition(pod, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable})
	case len(nodes) > 0:
		pod.Spec.NodeName = oneOf(w, nodes...)
		w.provision(pod)
		return setPodCondition(pod, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionTrue})
	}
	return false
}

// nodeIsLost is the node lifecycle controller's: first the pod is not ready,
// later it is evicted.
func (w *world) nodeIsLost(pod *corev1.Pod) (changed bool) {
	switch {
	case podutil.IsPodReady(pod):
		return w.setReady(pod, corev1.ConditionFalse)
	case pod.DeletionTimestamp == nil && w.chance(3):
		w.say("%s is evicted", pod.Name)
		pod.DeletionTimestamp = &metav1.Time{Time: w.now}
		return true
	}
	return false
}

// applicationActs elects a leader among the running pods; for a moment there may
// be two, or none.
func (w *world) applicationActs() {
	names := w.names()
	if len(names) == 0 {
		return
	}
	leader := oneOf(w, names...)
	for _, name := range names {
		pod := w.pods.truth()[name]
		if is := pod.Labels["role"] == "leader"; is != (name == leader) && w.ours(pod) && pod.Status.Phase == corev1.PodRunning && w.chance(2) {
			w.say("%s leads: %v", name, !is)
			w.changePod(name, func(pod *corev1.Pod) {
				delete(pod.Labels, "role")
				if !is {
					pod.Labels["role"] = "leader"
				}
			})
		}
	}
}
