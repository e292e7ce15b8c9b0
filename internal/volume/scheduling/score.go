package scheduling

import (
	"context"

	core "k8s.io/api/core/v1"
	"k8s.io/kube-scheduler/framework"
)

// PreScore leaves pods alone that ask for nothing but space.
func (p *plugin) PreScore(_ context.Context, state framework.CycleState, _ *core.Pod, _ []framework.NodeInfo) *framework.Status {
	if found := findingsIn(state); found == nil || !found.demanding() {
		return framework.NewStatus(framework.Skip)
	}
	return nil
}

// Score prefers the node that has the largest part of its performance left
// afterwards. Databases are spread over disks that way, and each finds room to be
// promised more later. It is how upstream spreads by CPU and memory
// (LeastAllocated) and by space (KEP-4049).
func (p *plugin) Score(_ context.Context, state framework.CycleState, _ *core.Pod, node framework.NodeInfo) (int64, *framework.Status) {
	left := p.judge(node.Node().Name, findingsIn(state).asks).left
	return int64(left * float64(framework.MaxScore)), nil
}

// ScoreExtensions: the scores are of the right size already.
func (p *plugin) ScoreExtensions() framework.ScoreExtensions { return nil }
