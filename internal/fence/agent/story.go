package agent

import (
	"context"
	"fmt"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
)

// story is what the judge tells, as events. They are of events.k8s.io, for those have
// times that are finer than a second.
type story struct{ events.EventRecorder }

// newStory tells until end is called.
func newStory(ctx context.Context, client kubernetes.Interface) (tell story, end func(), err error) {
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		return story{}, nil, fmt.Errorf("record events: %w", err)
	}
	return story{broadcaster.NewRecorder(scheme.Scheme, v1alpha1.FenceReporter)}, broadcaster.Shutdown, nil
}

// ofNode refers to a node as kubelet's events do.
func ofNode(name string) *core.ObjectReference {
	return &core.ObjectReference{APIVersion: "v1", Kind: "Node", Name: name, UID: types.UID(name)}
}

// lease tells of a lease that has changed. The Lease of that version is related, so
// that no two changes are taken for a repetition.
func (s story) lease(before, after fence.Lease) {
	kind, reason, message := change(before, after)
	if reason == "" {
		return
	}
	related := &core.ObjectReference{
		APIVersion: coordination.SchemeGroupVersion.String(), Kind: "Lease", Namespace: Namespace, Name: after.Node, UID: after.UID,
		ResourceVersion: fmt.Sprint(after.Version),
	}
	s.Eventf(ofNode(after.Node), related, kind, reason, "Judge", "%s", message)
}

// change says what is told of a lease that was seen in one state, and then in another.
func change(before, after fence.Lease) (kind, reason, message string) {
	switch {
	case before.State == after.State && before.Epoch == after.Epoch:
		return "", "", ""
	case after.State == fence.Closing:
		return core.EventTypeWarning, v1alpha1.EventLeaseLost, after.Reason
	case after.State == fence.Fenced:
		return core.EventTypeWarning, v1alpha1.EventFenced, after.Reason
	case before.State == fence.Closing:
		return core.EventTypeNormal, v1alpha1.EventLeaseAcquired, fmt.Sprintf("node %s lives, and has taken its lease back (epoch %d)", after.Node, after.Epoch)
	case before.State == fence.Fenced:
		return core.EventTypeNormal, v1alpha1.EventLeaseAcquired, fmt.Sprintf("node %s takes part again (epoch %d)", after.Node, after.Epoch)
	}
	return core.EventTypeNormal, v1alpha1.EventLeaseAcquired, fmt.Sprintf("node %s had stopped its pets, and may run them again (epoch %d)", after.Node, after.Epoch)
}

// held tells why a node is not fenced, that seems lost.
func (s story) held(node, why string) {
	s.Eventf(ofNode(node), nil, core.EventTypeWarning, v1alpha1.EventFenceHeld, "Judge", "%s", why)
}

// taken tells of a pod that was deleted, on it and on its owner.
func (s story) taken(pod *core.Pod, why string) {
	s.Eventf(pod, ofNode(pod.Spec.NodeName), core.EventTypeNormal, v1alpha1.EventFailedOver, "FailOver", "%s", why)
	if owner := meta.GetControllerOf(pod); owner != nil {
		set := &core.ObjectReference{APIVersion: owner.APIVersion, Kind: owner.Kind, Namespace: pod.Namespace, Name: owner.Name, UID: owner.UID}
		s.Eventf(set, pod, core.EventTypeNormal, v1alpha1.EventFailedOver, "FailOver", "pod %s is started on another node: %s", pod.Name, why)
	}
}

// released tells of volumes that are attached to a fenced node no more.
func (s story) released(loss *loss, attached []fence.Attached) {
	for _, gone := range loss.release(attached) {
		if gone.Claim == nil {
			continue
		}
		claim := *gone.Claim
		claim.APIVersion, claim.Kind = "v1", "PersistentVolumeClaim"
		attachment := gone.VolumeAttachment
		s.Eventf(&claim, &attachment, core.EventTypeNormal, v1alpha1.EventVolumeReleased, "FailOver", "its volume is detached from node %s, which is fenced", loss.node)
	}
}

// recovered tells that a pod has taken the place of another.
func (s story) recovered(pod *core.Pod, after string) {
	s.Eventf(pod, ofNode(pod.Spec.NodeName), core.EventTypeNormal, v1alpha1.EventRecovered, "FailOver", "Ready on node %s, %s", pod.Spec.NodeName, after)
}
