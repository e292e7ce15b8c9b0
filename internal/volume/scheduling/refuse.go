package scheduling

import (
	"context"
	"slices"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/volumebinding"
)

// PostFilter comes when a pod found no node. It tells the pod's claims which pool
// lacks what, and sees to it that the pod is tried again. The pod itself is told by
// upstream: of space, that nodes have too little, and by this plugin, which pools.
func (p *plugin) PostFilter(_ context.Context, state framework.CycleState, pod *core.Pod, nodes framework.NodeToStatusReader) (*framework.PostFilterResult, *framework.Status) {
	unhelpful := framework.NewStatus(framework.Unschedulable)
	found := findingsIn(state)
	if found == nil {
		return nil, unhelpful
	}
	performance := found.refusal() != "" // or it is unclear
	space := p.findFull(found, nodes)
	if found.refusal() == "" {
		p.waiting.remove(pod)
		return nil, unhelpful
	}
	r, tell := p.waiting.add(pod, found, time.Now())
	for _, a := range r.asks {
		if reason := reasonFor(a, performance, found.unclear != ""); tell && reason != "" {
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
	return nil, framework.NewStatus(framework.Unschedulable, space...)
}

// reasonFor is the reason of the event for a claim; empty for one that lacks nothing.
func reasonFor(a ask, performance, unclear bool) string {
	switch {
	case a.directory && performance:
		return "NoDirectoryVolumes"
	case unclear || performance && a.anything():
		return "InsufficientPerformance"
	case !performance:
		return "InsufficientCapacity"
	}
	return ""
}

// findFull adds what the pools lack of nodes that VolumeBinding refused for want of space, and
// returns that.
func (p *plugin) findFull(found *findings, nodes framework.NodeToStatusReader) (all []string) {
	refused, err := nodes.NodesForStatusCode(p.handle.SnapshotSharedLister().NodeInfos(), framework.UnschedulableAndUnresolvable)
	if err != nil {
		return nil
	}
	for _, node := range refused {
		name := node.Node().Name
		if !slices.Contains(nodes.Get(name).Reasons(), volumebinding.ErrReasonNotEnoughSpace) {
			continue
		}
		if lacks := full(name, p.pools.on(name), found.asks); len(lacks) > 0 {
			found.refuse(name, lacks)
			all = append(all, lacks...)
		}
	}
	return all
}

// newRecorder makes events that say something new each time, unlike the
// scheduler's own: those become a series that keeps its first words.
func newRecorder(ctx context.Context, handle framework.Handle) record.EventRecorder {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&corev1.EventSinkImpl{Interface: handle.ClientSet().CoreV1().Events("")})
	return broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: handle.ProfileName()})
}
