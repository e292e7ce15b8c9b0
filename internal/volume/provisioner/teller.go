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

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// tellEvery is how often it is looked whether promises are kept.
const tellEvery = 5 * time.Second

// teller tells the claims of this node's volumes when a promise is broken, and
// when it is kept again.
type teller struct {
	client      kubernetes.Interface
	nodeName    string
	claims      corelisters.PersistentVolumeClaimLister
	volumes     corelisters.PersistentVolumeLister
	performance func(handle string) (of *qos.Performance, known bool)
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
	for _, v := range volumes {
		if !isOn(v, t.nodeName) || v.Spec.ClaimRef == nil {
			continue
		}
		p, known := t.performance(v.Spec.CSI.VolumeHandle)
		if !known {
			continue
		}
		pool, _ := volume.SplitHandle(v.Spec.CSI.VolumeHandle)
		if err := t.tell(ctx, v.Spec.ClaimRef, p, pool, now); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "Cannot tell a claim whether its promise is kept", "claim", klog.KRef(v.Spec.ClaimRef.Namespace, v.Spec.ClaimRef.Name))
		}
	}
}

func (t *teller) tell(ctx context.Context, of *core.ObjectReference, p *qos.Performance, pool string, now meta.Time) error {
	claim, err := t.claims.PersistentVolumeClaims(of.Namespace).Get(of.Name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || claim.UID != of.UID {
		return err
	}
	next := func(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus {
		return nextBreach(s, p, fmt.Sprintf("pool %s of node %s", pool, t.nodeName), now)
	}
	condition := breachOf(next(claim.Status))
	if condition == breachOf(claim.Status) {
		return nil
	}
	if err := setClaimStatus(ctx, t.client, claim, next); err != nil {
		return err
	}
	switch condition.Status {
	case core.ConditionTrue:
		t.events.Event(claim, core.EventTypeWarning, condition.Reason, condition.Message)
	case core.ConditionFalse:
		t.events.Event(claim, core.EventTypeNormal, condition.Reason, condition.Message)
	}
	return nil
}

// breachOf gives what a claim's status says of its promise; zero for nothing.
func breachOf(s core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimCondition {
	for _, c := range s.Conditions {
		if aboutBreach(c) {
			return c
		}
	}
	return core.PersistentVolumeClaimCondition{}
}
