package scheduling

import (
	"context"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/kube-scheduler/framework"
)

// PostFilter comes when a pod found no node. It tells the pod's claims which pool
// lacks what (the pod itself is told by upstream), and sees to it that the pod is
// tried again.
func (p *plugin) PostFilter(_ context.Context, state framework.CycleState, pod *core.Pod, _ framework.NodeToStatusReader) (*framework.PostFilterResult, *framework.Status) {
	unhelpful := framework.NewStatus(framework.Unschedulable)
	found := findingsIn(state)
	if found == nil {
		return nil, unhelpful
	}
	if found.refusal() == "" {
		p.waiting.remove(pod)
		return nil, unhelpful
	}
	r, tell := p.waiting.add(pod, found, time.Now())
	if tell {
		for _, a := range r.asks {
			reason := "InsufficientPerformance"
			if a.directory {
				reason = "NoDirectoryVolumes"
			}
			p.events.Event(&a.claim, core.EventTypeWarning, reason, r.told)
		}
	}
	// What has changed since the nodes were asked has woken nobody.
	for node := range r.nodes {
		if p.fits(r, node) {
			p.activate(r)
			break
		}
	}
	return nil, unhelpful
}

// newRecorder makes events that say something new each time, unlike the
// scheduler's own: those become a series that keeps its first words.
func newRecorder(ctx context.Context, handle framework.Handle) record.EventRecorder {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&corev1.EventSinkImpl{Interface: handle.ClientSet().CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: handle.ProfileName()})
}
