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

// announce writes the condition. A watchdog would take the whole machine down with the pets,
// neighbours that are none included, so that a second process stops them everywhere.
func (n Node) announce(ctx context.Context) {
	now := meta.Now()
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []core.NodeCondition{{
		Type: FenceCondition, Status: core.ConditionTrue, Reason: "SecondProcess", LastHeartbeatTime: now, LastTransitionTime: now,
		Message: "when this node's lease runs out its pets are stopped by the keeper, or by a second process, the executioner",
	}}}})
	for told := false; err == nil && ctx.Err() == nil; pauseFor(ctx, n.Terms.Term) {
		limited, cancel := context.WithTimeout(ctx, n.Terms.Term)
		_, err := n.Pets.Client.CoreV1().Nodes().Patch(limited, n.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
		cancel()
		if err == nil {
			return
		}
		if !told {
			klog.FromContext(ctx).Info("The node does not tell of its fence yet", "reason", err.Error())
			told = true
		}
	}
}
