package provisioner

import (
	"context"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// tellEvery is how often it is looked whether volumes are well, and promises kept.
const tellEvery = 5 * time.Second

// teller tells the claims of this node's volumes when something is wrong with a
// volume or a promise is broken, and when that is over.
type teller struct {
	client      kubernetes.Interface
	nodeName    string
	claims      corelisters.PersistentVolumeClaimLister
	volumes     corelisters.PersistentVolumeLister
	performance func(handle string) (of *qos.Performance, known bool)
	health      func() (of func(handle string) error)
	events      record.EventRecorder
}

// run works until ctx ends.
func (t *teller) run(ctx context.Context) {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcore.EventSinkImpl{Interface: t.client.CoreV1().Events("")})
	defer broadcaster.Shutdown()
	t.events = broadcaster.NewRecorder(scheme.Scheme, core.EventSource{Component: volume.DriverName, Host: t.nodeName})
	ticks := time.NewTicker(tellEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			t.tellAll(ctx, meta.Now())
		}
	}
}

// tellAll looks at every claim once. What fails is tried again in the next round.
func (t *teller) tellAll(ctx context.Context, now meta.Time) {
	volumes, _ := t.volumes.List(labels.Everything()) // a cache has no errors
	ill := t.health()
	for _, v := range volumes {
		if !isOn(v, t.nodeName) || v.Spec.ClaimRef == nil {
			continue
		}
		if err := t.tell(ctx, v.Spec.ClaimRef, t.next(v.Spec.CSI.VolumeHandle, ill, now)); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Cannot tell a claim how its volume is", "claim", klog.KRef(v.Spec.ClaimRef.Namespace, v.Spec.ClaimRef.Name))
		}
	}
}

// next gives what becomes of the status of the claim that has the volume.
func (t *teller) next(handle string, ill func(handle string) error, now meta.Time) statusChange {
	wrong := ill(handle)
	p, known := t.performance(handle)
	pool, _ := volume.SplitHandle(handle)
	return func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		s = nextAbnormal(s, wrong, now)
		if known {
			s = nextBreach(s, p, fmt.Sprintf("pool %s of node %s", pool, t.nodeName), now)
		}
		return s
	}
}

// tell changes the status of a claim, and makes an event of each condition that is
// another then.
func (t *teller) tell(ctx context.Context, of *core.ObjectReference, next statusChange) error {
	claim, err := t.claims.PersistentVolumeClaims(of.Namespace).Get(of.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || claim.UID != of.UID {
		return err
	}
	after := next(claim.Status)
	var changed []core.PersistentVolumeClaimCondition
	for _, kind := range []conditionType{v1alpha1.VolumeAbnormal, v1alpha1.PerformanceBreached} {
		if is := conditionOf(after, kind); is != conditionOf(claim.Status, kind) {
			changed = append(changed, is)
		}
	}
	if changed == nil {
		return nil
	}
	if err := setClaimStatus(ctx, t.client, claim, next); err != nil {
		return err
	}
	for _, c := range changed {
		switch c.Status {
		case core.ConditionTrue:
			t.events.Event(claim, core.EventTypeWarning, c.Reason, c.Message)
		case core.ConditionFalse:
			t.events.Event(claim, core.EventTypeNormal, c.Reason, c.Message)
		}
	}
	return nil
}
