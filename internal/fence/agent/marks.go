package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
)

// fencedTaint: the scheduler would go on to bind pods there.
var fencedTaint = core.Taint{Key: v1alpha1.FencedTaint, Effect: core.TaintEffectNoSchedule}

// marks are what a Node object shows of its lease: why it is fenced, with the taint, or
// why it is not, though it seems lost. Empty: it is not so.
type marks struct {
	fenced string
	held   fence.Held
}

// mark makes sure that a node bears its marks and no others. The taint stays until kubelet
// has unmounted what was detached from the node: a pet that came back before would be given
// the old mount, whose disk answers no more.
func (j *Judge) mark(ctx context.Context, node string, wanted marks) error {
	if shown, known := j.marked[node]; known && shown == wanted {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, j.Terms.Blind)
	defer cancel()
	nodes := j.Client.CoreV1().Nodes()
	var changed []core.NodeCondition
	stale := false
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		n, err := nodes.Get(ctx, node, meta.GetOptions{})
		if err != nil {
			return err
		}
		changed = wanted.change(n.Status.Conditions, meta.Now())
		if slices.Contains(n.Spec.Taints, fencedTaint) == (wanted.fenced != "") {
			return nil
		}
		if wanted.fenced == "" {
			if stale = j.unreported(node); stale {
				return nil
			}
			attached, err := j.attachedTo(ctx, node, "0")
			if err != nil {
				return err
			}
			if stale = len(staleMounts(n.Status.VolumesInUse, attached)) > 0; stale {
				return nil
			}
		}
		n.Spec.Taints = slices.DeleteFunc(n.Spec.Taints, func(t core.Taint) bool { return t == fencedTaint })
		if wanted.fenced != "" {
			n.Spec.Taints = append(n.Spec.Taints, fencedTaint)
		}
		_, err = nodes.Update(ctx, n, meta.UpdateOptions{})
		return err
	})
	if err == nil && len(changed) > 0 {
		var patch []byte
		if patch, err = json.Marshal(map[string]any{"status": map[string]any{"conditions": changed}}); err == nil {
			_, err = nodes.PatchStatus(ctx, node, patch)
		}
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("mark node %s: %w", node, err)
	}
	if !stale {
		j.marked[node] = wanted
		if wanted.fenced == "" {
			delete(j.released, node)
		}
	}
	return nil
}

// unreported: volumes were taken from the node, which is back, and its kubelet may not
// have told yet what it has mounted.
func (j *Judge) unreported(node string) bool {
	back, taken := j.released[node]
	if taken && back == 0 {
		back = now()
		j.released[node] = back
	}
	return taken && now().Sub(back) < j.Reported
}

// csiVolume begins the names that kubelet gives to what CSI drivers attach.
const csiVolume = "kubernetes.io/csi/"

// staleMounts are the volumes that kubelet has in use, but that are not attached to its node.
func staleMounts(inUse []core.UniqueVolumeName, attached []fence.Attached) (stale []core.UniqueVolumeName) {
	for _, name := range inUse {
		of := func(a fence.Attached) bool { return a.InUse == name }
		if strings.HasPrefix(string(name), csiVolume) && !slices.ContainsFunc(attached, of) {
			stale = append(stale, name)
		}
	}
	return stale
}

// change gives the conditions that are not as they should be. One that was never true
// is not there.
func (m marks) change(now []core.NodeCondition, at meta.Time) (changed []core.NodeCondition) {
	for _, wanted := range []core.NodeCondition{
		{Type: v1alpha1.NodeFenced, Status: core.ConditionTrue, Reason: "LeaseFenced", Message: m.fenced},
		{Type: v1alpha1.NodeFenceHeld, Status: core.ConditionTrue, Reason: m.held.Reason, Message: m.held.Message},
	} {
		if wanted.Message == "" {
			wanted.Status, wanted.Reason = core.ConditionFalse, "NotSo"
		}
		i := slices.IndexFunc(now, func(c core.NodeCondition) bool { return c.Type == wanted.Type })
		switch {
		case i < 0 && wanted.Status == core.ConditionFalse:
		case i >= 0 && now[i].Status == wanted.Status && now[i].Message == wanted.Message:
		default:
			wanted.LastHeartbeatTime, wanted.LastTransitionTime = at, at
			if i >= 0 && now[i].Status == wanted.Status {
				wanted.LastTransitionTime = now[i].LastTransitionTime
			}
			changed = append(changed, wanted)
		}
	}
	return changed
}
