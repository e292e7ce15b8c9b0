package scheduling

import (
	"context"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/kube-scheduler/framework"
)

// Reserve notes what the node will have promised.
func (p *plugin) Reserve(_ context.Context, state framework.CycleState, pod *core.Pod, node string) *framework.Status {
	if found := findingsIn(state); found != nil {
		p.assumed.add(node, found.asks, time.Now())
		p.waiting.remove(pod)
	}
	return nil
}

// Unreserve takes that back: others may have it.
func (p *plugin) Unreserve(_ context.Context, state framework.CycleState, _ *core.Pod, node string) {
	if found := findingsIn(state); found != nil {
		p.assumed.drop(found.asks)
		p.wakeForNode(node)
	}
}
