package scheduling

import (
	"context"
	"slices"

	core "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
	"k8s.io/kube-scheduler/framework"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// EventsToRegister are the changes that upstream watches and after which a pod that
// the plugin refused may fit. Those of Pools and attributes classes the plugin
// watches itself; see New.
func (p *plugin) EventsToRegister(context.Context) ([]framework.ClusterEventWithHint, error) {
	return []framework.ClusterEventWithHint{
		{Event: framework.ClusterEvent{Resource: framework.PersistentVolumeClaim, ActionType: framework.Add | framework.Update}, QueueingHintFn: afterClaimChange},
		{Event: framework.ClusterEvent{Resource: framework.StorageClass, ActionType: framework.Add}},
		{Event: framework.ClusterEvent{Resource: framework.Node, ActionType: framework.Add}},
	}, nil
}

// afterClaimChange lets a pod try again when one of its own claims has changed.
func afterClaimChange(_ klog.Logger, pod *core.Pod, _, changed any) (framework.QueueingHint, error) {
	claim, ok := changed.(*core.PersistentVolumeClaim)
	if !ok || claim.Namespace != pod.Namespace {
		return framework.QueueSkip, nil
	}
	if slices.ContainsFunc(pod.Spec.Volumes, func(v core.Volume) bool { return claimName(pod, &v) == claim.Name }) {
		return framework.Queue, nil
	}
	return framework.QueueSkip, nil
}

// wakeOn lets pods try again when a Pool has room now, or there is a class.
func (p *plugin) wakeOn(pools, attributes cache.SharedIndexInformer) error {
	_, err := pools.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    p.poolChanged,
		UpdateFunc: func(_, pool any) { p.poolChanged(pool) },
	})
	if err != nil {
		return err
	}
	_, err = attributes.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { p.wake(func(r refused) bool { return r.unclear }) },
	})
	return err
}

func (p *plugin) poolChanged(object any) {
	pool := object.(*v1alpha1.Pool)
	p.assumed.settle(pool)
	p.wakeForNode(pool.Spec.NodeName)
}

// wakeForNode lets pods try again that the node's pools refused, and would not now.
func (p *plugin) wakeForNode(node string) {
	p.wake(func(r refused) bool { return r.nodes[node] && p.fits(r, node) })
}

func (p *plugin) fits(r refused, node string) bool {
	return len(p.judge(node, r.asks).lacks) == 0 && len(full(node, p.pools.on(node), r.asks)) == 0
}

func (p *plugin) wake(which func(refused) bool) {
	for _, r := range p.waiting.list() {
		switch pod, err := p.pods.Pods(r.pod.Namespace).Get(r.pod.Name); {
		case err != nil || pod.UID != r.pod.UID || pod.Spec.NodeName != "":
			p.waiting.remove(r.pod)
		case which(r):
			p.activate(r)
		}
	}
}

// activate has the scheduler try a pod again at once.
func (p *plugin) activate(r refused) {
	p.handle.Activate(klog.Background(), map[string]*core.Pod{string(r.pod.UID): r.pod})
}
