package agent

import (
	"context"
	"encoding/json"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
)

// FenceCondition is the condition of a Node that says by what its pets are stopped when
// its lease runs out. A node without it is in no fence.
const FenceCondition core.NodeConditionType = "mainstay.dev/Fence"

// announce keeps the condition true until ctx ends.
func (n Node) announce(ctx context.Context, memory *Memory) {
	announced, told := "", false
	for ; ctx.Err() == nil; pauseFor(ctx, n.Terms.Term) {
		condition := fenceCondition(memory.Guarded())
		if condition.Reason == announced {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, n.Terms.Term)
		err := n.setCondition(limited, condition)
		cancel()
		if err == nil {
			announced = condition.Reason
		} else if !told {
			klog.FromContext(ctx).Info("The node does not tell of its fence yet", "reason", err.Error())
			told = true
		}
	}
}

// fenceCondition: a second process stops pets wherever it can, for a watchdog takes the whole machine
// down with them, neighbours that are none included.
func fenceCondition(guarded bool) core.NodeCondition {
	condition := core.NodeCondition{
		Type: FenceCondition, Status: core.ConditionTrue, Reason: "SecondProcess",
		Message: "when this node's lease runs out its pets are stopped by the keeper, or by a second process, the executioner",
	}
	if guarded {
		condition.Reason = "Watchdog"
		condition.Message += "; if neither can, a watchdog resets the machine"
	}
	return condition
}

func (n Node) setCondition(ctx context.Context, condition core.NodeCondition) error {
	condition.LastHeartbeatTime = meta.Now()
	condition.LastTransitionTime = condition.LastHeartbeatTime
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []core.NodeCondition{condition}}})
	if err != nil {
		return err
	}
	_, err = n.Pets.Client.CoreV1().Nodes().Patch(ctx, n.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
	return err
}
