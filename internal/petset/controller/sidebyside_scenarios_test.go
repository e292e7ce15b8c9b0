package controller

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// scenario is what a user and the nodes do to the set "web".
type scenario struct {
	name string
	play func(*play)
}

var sideBySide = []scenario{
	{"scale", func(p *play) {
		p.create(webSet(0, withData, templateVolume("data"), templateVolume("scratch")))
		p.rests("none", settled)
		p.change(replicas(3))
		p.rests("out", settled)
		p.change(replicas(1))
		p.rests("in", settled)
		p.change(replicas(2))
		p.rests("out again", settled)
		p.change(replicas(0))
		p.rests("to none", settled)
	}},
	{"order waits for ready", func(p *play) {
		p.hold("web-1", "start")
		p.create(webSet(3))
		p.rests("held", counts("2 1 1 2 2"))
		p.release("web-1")
		p.rests("let go", settled)
	}},
	{"scaling in halts", func(p *play) {
		p.create(webSet(4))
		p.rests("created", settled)
		p.setReady("web-0", false)
		p.change(replicas(2))
		p.rests("a pet that stays is unhealthy", counts("4 3 3 4 4"))
		p.setReady("web-2", false)
		p.setReady("web-0", true)
		p.rests("a pet that goes is unhealthy", settled)
	}},
	{"scaling in halts at two unhealthy pets", func(p *play) {
		p.create(webSet(4))
		p.rests("created", settled)
		p.setReady("web-2", false)
		p.setReady("web-3", false)
		p.rests("two are unhealthy", counts("4 2 2 4 4"))
		p.change(replicas(1))
		p.rests("asked for one", counts("4 2 2 4 4"))
		p.setReady("web-3", true)
		p.rests("one is healthy again", settled)
	}},
	{"scaling in past a failed pod", func(p *play) {
		p.create(webSet(4))
		p.rests("created", settled)
		p.setReady("web-2", false)
		p.setReady("web-3", false)
		p.rests("two are unhealthy", counts("4 2 2 4 4"))
		p.change(replicas(1))
		p.rests("asked for one", counts("4 2 2 4 4"))
		p.must(p.kubelet.setPhase(p.ctx, p.pod("web-3"), corev1.PodFailed))
		p.rests("one failed", counts("4 2 2 4 4", "1 1 1 1 1"))
	}},
	{"scaling in when available", func(p *play) {
		p.create(webSet(2, minReadySeconds(1)))
		p.rests("created", settled)
		p.setReady("web-0", false)
		p.change(replicas(1))
		p.rests("halted", counts("2 1 1 2 2"))
		p.must(p.kubelet.setPhase(p.ctx, p.pod("web-0"), corev1.PodRunning))
		p.rests("available again", settled)
	}},
	{"scaling out meanwhile", func(p *play) {
		p.create(webSet(3, withData))
		p.rests("created", settled)
		p.hold("web-2", "stop")
		p.change(replicas(1))
		p.rests("going", happened("deleting web-2"), counts("3 3 3 2 2"))
		p.change(replicas(4))
		p.rests("wanted again", counts("3 3 3 2 2"))
		p.release("web-2")
		p.rests("let go", settled)
	}},
	{"parallel", func(p *play) {
		p.eachPod = true
		p.hold("web-0", "start")
		p.create(webSet(4, parallel, withData))
		p.rests("one is held", counts("4 3 3 4 4"))
		p.change(replicas(5))
		p.rests("out", counts("5 4 4 5 5"))
		p.hold("web-4", "stop")
		p.change(replicas(1))
		p.rests("in", counts("2 1 1 1 1"))
		p.release("web-0")
		p.release("web-4")
		p.rests("let go", settled)
	}},
	{"ordinals start", func(p *play) {
		p.create(webSet(2, withData, ordinalsStart(3)))
		p.rests("created", settled)
		p.change(ordinalsStart(2))
		p.rests("one lower", settled)
		p.change(ordinalsStart(0))
		p.rests("from none", settled)
	}},
	{"min ready seconds", func(p *play) {
		p.create(webSet(2, minReadySeconds(2)))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("updated", settled)
	}},
	{"roll and roll back", func(p *play) {
		p.create(webSet(2, withData, annotation("a", "b")))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("second", settled)
		p.change(image("web:3"))
		p.rests("third", settled)
		p.change(image("web:1"))
		p.rests("rolled back", settled)
		p.change(annotation("a", "c"))
		p.rests("annotated")
	}},
	{"another image meanwhile", func(p *play) {
		p.create(webSet(3))
		p.rests("created", settled)
		p.hold("web-2", "stop")
		p.change(image("web:2"))
		p.rests("first pet goes", happened("deleting web-2"), counts("3 3 3 2 0"))
		p.change(image("web:3"))
		p.rests("a third image", counts("3 3 3 2 0"))
		p.change(replicas(4))
		p.rests("and more pets", counts("3 3 3 2 0"))
		p.release("web-2")
		p.rests("let go", settled)
	}},
	{"scaling in and updating at once", func(p *play) {
		p.create(webSet(4))
		p.rests("created", settled)
		p.change(func(set *apps.StatefulSet) { image("web:2")(set); replicas(2)(set) })
		p.rests("both", settled)
		p.change(func(set *apps.StatefulSet) { image("web:3")(set); replicas(3)(set) })
		p.rests("out and update", settled)
	}},
	{"partition", func(p *play) {
		p.create(webSet(3, partition(2)))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("updated", counts("3 3 3 2 1"))
		p.deletePod("web-0")
		p.rests("one deleted", happened("ready web-0"), counts("3 3 3 2 1"))
		p.change(replicas(4))
		p.rests("out", counts("4 4 4 2 2"))
		p.change(partition(9))
		p.deletePod("web-3")
		p.rests("partition beyond the set", happened("ready web-3"), counts("4 4 4 3 1"))
		p.change(image("web:3"))
		p.rests("nobody's update", counts("4 4 4 3 0"))
		p.change(partition(0))
		p.rests("all", settled)
	}},
	{"partition with ordinals start", func(p *play) {
		p.create(webSet(3, ordinalsStart(5), partition(2)))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("updated", counts("3 3 3 2 1"))
		p.deletePod("web-5")
		p.rests("one deleted", happened("ready web-5"), counts("3 3 3 2 1"))
		p.change(partition(1))
		p.rests("one more", counts("3 3 3 1 2"))
	}},
	{"on delete", func(p *play) {
		p.create(webSet(3, onDelete))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("changed", counts("3 3 3 3 0"))
		p.deletePod("web-0")
		p.rests("one deleted", counts("3 3 3 2 1"))
		p.change(replicas(4))
		p.rests("out", counts("4 4 4 2 2"))
		p.deletePod("web-1")
		p.rests("another deleted", counts("4 4 4 1 3"))
		p.deletePod("web-2")
		p.rests("all deleted once", counts("4 4 4 0 4"))
		p.change(partition(0))
		p.rests("rolling update", settled)
	}},
	{"broken rollout", func(p *play) {
		p.create(webSet(2))
		p.rests("created", settled)
		p.hold("web-1", "start")
		p.change(image("broken:1"))
		p.rests("broken", counts("2 1 1 1 1"))
		p.change(image("web:1"))
		p.rests("put right", lives("web-1"))
		p.deletePod("web-1")
		p.release("web-1")
		p.rests("by hand", settled)
	}},
	{"broken rollout, a third image", func(p *play) {
		p.create(webSet(2))
		p.rests("created", settled)
		p.hold("web-1", "start")
		p.change(image("broken:1"))
		p.rests("broken", counts("2 1 1 1 1"))
		p.change(image("web:2"))
		p.rests("put right", lives("web-1"))
		p.deletePod("web-1")
		p.release("web-1")
		p.rests("by hand", settled)
	}},
	{"broken rollout, parallel", func(p *play) {
		p.eachPod = true
		p.create(webSet(2, parallel))
		p.rests("created", settled)
		p.hold("web-1", "start")
		p.change(image("broken:1"))
		p.rests("broken", counts("2 1 1 1 1"))
		p.change(image("web:1"))
		p.rests("put right", counts("2 1 1 2 2"))
		p.release("web-1")
		p.rests("let go", settled)
	}},
	{"parallel rollout", func(p *play) {
		p.eachPod = true
		p.create(webSet(3, parallel, withData))
		p.rests("created", settled)
		p.eachPod = false // a rollout goes one by one
		p.setReady("web-0", false)
		p.change(image("web:2"))
		p.rests("one is unready", settled)
	}},
	{"deleted pods", func(p *play) {
		p.create(webSet(3, withData))
		p.rests("created", settled)
		p.hold("web-0", "stop")
		p.deletePod("web-0")
		p.deletePod("web-2")
		p.rests("the first lingers", happened("-web-2"), counts("2 2 2 1 1"))
		p.release("web-0")
		p.rests("let go", settled)
	}},
	{"deleted pods, parallel", func(p *play) {
		p.eachPod = true
		p.create(webSet(3, parallel, withData))
		p.rests("created", settled)
		p.hold("web-0", "stop")
		p.deletePod("web-0")
		p.deletePod("web-2")
		p.rests("the first lingers", happened("ready web-2"), counts("3 3 3 2 2"))
		p.change(image("web:2"))
		p.rests("an update meanwhile", counts("3 3 3 0 2", "3 3 3 2 0"))
		p.release("web-0")
		p.rests("let go", settled)
	}},
	{"failed pods", func(p *play) {
		p.create(webSet(2))
		p.rests("created", settled)
		for _, phase := range []corev1.PodPhase{corev1.PodFailed, corev1.PodSucceeded} {
			p.must(p.kubelet.setPhase(p.ctx, p.pod("web-1"), phase))
			p.rests(string(phase), happened("ready web-1"), settled)
		}
	}},
	{"failed pods, parallel", func(p *play) {
		p.eachPod = true
		p.create(webSet(3, parallel))
		p.rests("created", settled)
		for _, pod := range []string{"web-0", "web-1"} {
			p.must(p.kubelet.setPhase(p.ctx, p.pod(pod), corev1.PodFailed))
		}
		p.rests("replaced", happened("ready web-0"), happened("ready web-1"), settled)
	}},
	{"adoption", func(p *play) {
		p.eachPod = true
		for _, name := range []string{"web-0", "web-1", "web-7", "web-x", "other-2"} {
			p.createOrphan(name, webLabels)
		}
		p.createOrphan("web-2", map[string]string{"app": "other"})
		p.rests("orphans", happened("ready web-2"), happened("ready other-2"))
		p.eachPod = false
		p.create(webSet(2, onDelete))
		p.rests("adopted", counts("2 2 2 0 0"))
		p.change(partition(0))
		p.rests("replaced", settled)
	}},
	{"release", func(p *play) {
		p.create(webSet(2))
		p.rests("created", settled)
		p.patchPod("web-1", `{"metadata":{"labels":{"app":"debugged"}}}`)
		p.rests("released", counts("1 1 1 1 1"))
		p.patchPod("web-1", `{"metadata":{"labels":{"app":"web"}}}`)
		p.nudge()
		p.rests("adopted again", settled)
	}},
	{"identity", func(p *play) {
		p.create(webSet(2))
		p.rests("created", settled)
		p.patchPod("web-0", `{"metadata":{"labels":{"statefulset.kubernetes.io/pod-name":"other"}}}`)
		p.rests("another name", labelled)
		p.patchPod("web-0", `{"metadata":{"labels":{"apps.kubernetes.io/pod-index":null}}}`)
		p.rests("no index")
		p.patchPod("web-0", `{"metadata":{"labels":{"controller-revision-hash":null}}}`)
		p.rests("no revision", happened("ready web-0"), settled)
	}},
	{"retention when deleted", func(p *play) {
		p.create(webSet(2, withData, retention(retain, remove)))
		p.rests("created", settled)
		p.change(replicas(1))
		p.rests("in", settled)
		p.change(retention(retain, retain))
		p.rests("retained")
	}},
	{"retention when scaled", func(p *play) {
		p.create(webSet(3, withData, retention(remove, retain)))
		p.rests("created", settled)
		p.change(replicas(2))
		p.rests("in", settled)
		p.change(replicas(3))
		p.rests("condemned claim", counts("2 2 2 2 2"))
		p.deleteClaim("data-web-2") // as garbage collection does
		p.nudge()
		p.rests("collected", settled)
	}},
	{"retention when scaled, and wanted again", func(p *play) {
		p.create(webSet(2, withData, retention(remove, retain)))
		p.rests("created", settled)
		p.hold("web-1", "stop")
		p.change(replicas(1))
		p.rests("going", happened("deleting web-1"), counts("2 2 2 1 1"))
		p.change(replicas(2))
		p.rests("wanted again", counts("2 2 2 1 1"))
		p.release("web-1")
		p.rests("gone", happened("-web-1"))
	}},
	{"retention changes", func(p *play) {
		p.create(webSet(2, withData, retention(remove, remove)))
		p.rests("created", settled)
		p.change(retention(retain, retain))
		p.rests("retained")
		p.change(retention(retain, remove))
		p.rests("with the set")
		p.change(retention(remove, retain))
		p.rests("when scaled")
		p.change(replicas(1))
		p.rests("in", settled)
		p.change(retention(remove, remove))
		p.rests("both")
	}},
	{"claim of another controller", func(p *play) {
		p.createClaim("data-web-0", metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: "theirs", UID: "theirs", Controller: ptr.To(true)})
		p.create(webSet(2, withData, retention(retain, remove)))
		p.rests("created", settled)
	}},
	{"claim of a former set", func(p *play) {
		p.createClaim("data-web-0", metav1.OwnerReference{APIVersion: p.sets.kind.GroupVersion().String(), Kind: p.sets.kind.Kind,
			Name: "web", UID: "former", Controller: ptr.To(true)})
		p.create(webSet(1, withData, retention(retain, remove)))
		p.rests("created", settled)
	}},
	{"claims deleted", func(p *play) {
		p.hold("web-0", "start")
		p.create(webSet(1, withData))
		p.rests("pending", counts("1 0 0 1 1"))
		p.deleteClaim("data-web-0")
		p.nudge()
		p.rests("of a pending pod", claimExists("data-web-0"))
		p.release("web-0")
		p.rests("running", settled)
		p.deleteClaim("data-web-0")
		p.nudge()
		p.rests("of a running pod")
		p.deletePod("web-0")
		p.rests("and the pod", happened("ready web-0"), settled)
	}},
	{"claim being deleted", func(p *play) {
		p.create(webSet(1, withData))
		p.rests("created", settled)
		p.must(p.client.CoreV1().PersistentVolumeClaims(p.namespace).Delete(p.ctx, "data-web-0", metav1.DeleteOptions{}))
		p.rests("waits for its pod")
		p.deletePod("web-0")
		p.rests("waits for the claim to go", counts("0 0 0 0 0"))
		p.letGo("data-web-0")
		p.nudge()
		p.rests("gone", settled)
	}},
	{"history limit", func(p *play) {
		p.create(webSet(1, func(set *apps.StatefulSet) { set.Spec.RevisionHistoryLimit = ptr.To[int32](1) }))
		p.rests("created", settled)
		for version := range 3 {
			p.change(image(fmt.Sprint("web:", version+2)))
			p.rests("updated", settled)
		}
		p.change(func(set *apps.StatefulSet) { set.Spec.RevisionHistoryLimit = ptr.To[int32](0) })
		p.rests("no history", settled)
	}},
	{"revision collision", func(p *play) {
		p.create(webSet(0))
		p.rests("first", settled)
		name := p.seen().Status.UpdateRevision
		p.must(p.sets.delete(p.ctx, "web", metav1.DeleteOptions{}))
		p.rests("deleted")
		p.must(p.client.AppsV1().ControllerRevisions(p.namespace).Delete(p.ctx, name, metav1.DeleteOptions{}))
		squatter := &apps.ControllerRevision{ObjectMeta: metav1.ObjectMeta{Name: name}, Revision: 1}
		squatter.Data.Raw = []byte(`{"data":"of somebody else"}`)
		_, err := p.client.AppsV1().ControllerRevisions(p.namespace).Create(p.ctx, squatter, metav1.CreateOptions{})
		p.must(err)
		p.create(webSet(1))
		p.rests("collided", settled)
		p.change(image("web:2"))
		p.rests("updated", settled)
	}},
	{"revisions deleted", func(p *play) {
		p.create(webSet(3, partition(2)))
		p.rests("created", settled)
		p.change(image("web:2"))
		p.rests("updated", counts("3 3 3 2 1"))
		status := p.seen().Status
		p.deleteRevision(status.CurrentRevision)
		p.nudge()
		p.deletePod("web-0")
		p.rests("the current one", happened("ready web-0"), counts("3 3 3 2 2"))
		p.deleteRevision(status.UpdateRevision)
		p.patchPod("web-2", `{"metadata":{"annotations":{"look":"again"}}}`)
		p.rests("the other")
	}},
	{"deleted set", func(p *play) {
		p.create(webSet(3, func(set *apps.StatefulSet) { set.Finalizers = []string{"test.mainstay.dev/hold"} }))
		p.rests("created", settled)
		p.must(p.sets.delete(p.ctx, "web", metav1.DeleteOptions{}))
		p.deletePod("web-1")
		p.rests("a pod deleted", counts("2 2 2 2 2"))
		p.change(func(set *apps.StatefulSet) { set.Finalizers = nil })
		p.rests("gone")
	}},
	{"set made anew", func(p *play) {
		p.create(webSet(2, withData, retention(retain, remove)))
		p.rests("created", settled)
		orphan := metav1.DeletePropagationOrphan
		p.must(p.sets.delete(p.ctx, "web", metav1.DeleteOptions{PropagationPolicy: &orphan}))
		p.playGarbageCollector()
		p.rests("orphans")
		p.create(webSet(2, withData, retention(retain, remove)))
		p.rests("anew", settled)
	}},
	{"refused pods", func(p *play) {
		p.setQuota("pods", "1")
		p.create(webSet(2))
		p.rests("one pod is allowed", counts("1 1 1 1 1"))
		p.setQuota("pods", "2")
		p.nudge()
		p.rests("two are", settled)
	}},
	{"refused claims", func(p *play) {
		p.setQuota("persistentvolumeclaims", "1")
		p.create(webSet(2, withData))
		p.rests("one claim is allowed", counts("1 1 1 1 1"))
		p.setQuota("persistentvolumeclaims", "2")
		p.nudge()
		p.rests("two are", settled)
	}},
	{"unusual template", func(p *play) {
		p.create(webSet(1, func(set *apps.StatefulSet) {
			set.Spec.ServiceName = ""
			set.Spec.Template.Annotations = map[string]string{"note": "of the template"}
			set.Spec.Template.Spec.Hostname = "ignored"
			set.Spec.Template.Spec.Subdomain = "ignored"
			set.Spec.Template.Spec.TerminationGracePeriodSeconds = ptr.To[int64](5)
			set.Spec.Template.Finalizers = []string{"test.mainstay.dev/kept"}
		}))
		p.rests("created", settled)
		p.patchPod("web-0", `{"metadata":{"finalizers":null}}`)
		p.rests("let go")
	}},
}

// sideBySideMaxUnavailable need the feature gate MaxUnavailableStatefulSet.
var sideBySideMaxUnavailable = []scenario{
	{"max unavailable, plain", func(p *play) {
		p.create(webSet(3))
		p.rests("created", settled)
		p.setReady("web-0", false)
		p.change(image("web:2"))
		p.rests("one is unready")
		p.setReady("web-0", true)
		p.rests("updated", settled)
	}},
	{"max unavailable, parallel", func(p *play) {
		p.eachPod = true
		p.create(webSet(5, parallel, maxUnavailable("50%", 0)))
		p.rests("created", settled)
		for ordinal := range 5 {
			p.hold(fmt.Sprint("web-", ordinal), "start")
		}
		p.change(image("web:2"))
		p.rests("two are updated", counts("5 3 3 3 2"))
		p.release("web-4")
		p.rests("one is ready", counts("5 3 3 2 3"))
		for ordinal := range 4 {
			p.release(fmt.Sprint("web-", ordinal))
		}
		p.rests("all", settled)
	}},
	{"max unavailable, ordered", func(p *play) {
		p.eachPod = true
		p.create(webSet(5, maxUnavailable("2", 1)))
		p.rests("created", settled)
		p.hold("web-3", "start")
		p.change(image("web:2"))
		p.rests("two are replaced, in order", happened("+web-3"), counts("4 3 3 3 1"))
		p.release("web-3")
		p.rests("all", counts("5 5 5 1 4"))
		p.change(maxUnavailable("10%", 0))
		p.rests("the rest", settled)
	}},
	{"max unavailable, unhealthy pets count", func(p *play) {
		p.eachPod = true
		p.create(webSet(4, parallel, maxUnavailable("2", 0)))
		p.rests("created", settled)
		p.setReady("web-0", false)
		p.setReady("web-1", false)
		p.change(image("web:2"))
		p.rests("two are unhealthy")
		p.deletePod("web-0")
		p.rests("one is deleted", settled)
	}},
	{"max unavailable, broken", func(p *play) {
		p.eachPod = true
		p.create(webSet(3, parallel, maxUnavailable("1", 0)))
		p.rests("created", settled)
		p.hold("web-2", "start")
		p.change(image("broken:1"))
		p.rests("broken", counts("3 2 2 2 1"))
		p.change(image("web:1"))
		p.rests("put right", lives("web-2"))
		p.deletePod("web-2")
		p.release("web-2")
		p.rests("by hand", settled)
	}},
}

func (p *play) hold(pod, what string) { p.kubelet.hold(p.namespace, pod, what) }
func (p *play) release(pod string)    { p.kubelet.release(p.namespace, pod) }

// nudge changes the set: upstream's controller does not watch claims and quotas,
// and looks at them again when the set or its pods change.
func (p *play) nudge() {
	p.Helper()
	p.change(annotation("nudged", fmt.Sprint(p.steps)))
}

func (p *play) createOrphan(name string, labels map[string]string) {
	p.Helper()
	orphan := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: webSet(1).Spec.Template.Spec}
	_, err := p.client.CoreV1().Pods(p.namespace).Create(p.ctx, orphan, metav1.CreateOptions{})
	p.must(err)
}

func (p *play) createClaim(name string, owner metav1.OwnerReference) {
	p.Helper()
	claim := webSet(1, withData).Spec.VolumeClaimTemplates[0].DeepCopy()
	claim.Name, claim.OwnerReferences = name, []metav1.OwnerReference{owner}
	_, err := p.client.CoreV1().PersistentVolumeClaims(p.namespace).Create(p.ctx, claim, metav1.CreateOptions{})
	p.must(err)
}

// letGo takes the finalizer off a claim.
func (p *play) letGo(claim string) {
	p.Helper()
	_, err := p.client.CoreV1().PersistentVolumeClaims(p.namespace).Patch(p.ctx, claim, types.MergePatchType,
		[]byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	p.must(err)
}

func (p *play) deleteRevision(name string) {
	p.Helper()
	p.must(p.client.AppsV1().ControllerRevisions(p.namespace).Delete(p.ctx, name, metav1.DeleteOptions{}))
}

// setQuota limits the objects of the namespace. Nobody here counts them: the API
// server does so as it admits them.
func (p *play) setQuota(resource corev1.ResourceName, limit string) {
	p.Helper()
	quotas := p.client.CoreV1().ResourceQuotas(p.namespace)
	hard := quantities(resource, limit)
	quota, err := quotas.Get(p.ctx, "limit", metav1.GetOptions{})
	if err != nil {
		quota, err = quotas.Create(p.ctx, &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "limit"}, Spec: corev1.ResourceQuotaSpec{Hard: hard}}, metav1.CreateOptions{})
		p.must(err)
		quota.Status.Used = quantities(resource, "0")
	}
	quota.Status.Hard = hard
	_, err = quotas.UpdateStatus(p.ctx, quota, metav1.UpdateOptions{})
	p.must(err)
}

func annotation(key, value string) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) { metav1.SetMetaDataAnnotation(&set.ObjectMeta, key, value) }
}

func ordinalsStart(n int32) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) { set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: n} }
}

func minReadySeconds(n int32) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) { set.Spec.MinReadySeconds = n }
}

func maxUnavailable(limit string, from int32) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) {
		partition(from)(set)
		set.Spec.UpdateStrategy.RollingUpdate.MaxUnavailable = ptr.To(intstr.Parse(limit))
	}
}

// templateVolume is a volume of the pods that is not a claim's.
func templateVolume(name string) func(*apps.StatefulSet) {
	return func(set *apps.StatefulSet) {
		set.Spec.Template.Spec.Volumes = append(set.Spec.Template.Spec.Volumes, corev1.Volume{
			Name: name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
}
