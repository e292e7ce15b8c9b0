package scheduling

import (
	"context"
	"fmt"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/kube-scheduler/framework"
)

// Name is what a KubeSchedulerConfiguration calls the plugin.
const Name = "VolumePerformance"

// plugin tells kube-scheduler which nodes can promise what a pod's claims ask for.
type plugin struct {
	handle     framework.Handle
	pods       corelisters.PodLister
	claims     corelisters.PersistentVolumeClaimLister
	classes    storagelisters.StorageClassLister
	attributes storagelisters.VolumeAttributesClassLister
	pools      pools
	// known: pools and attributes classes were listed.
	known   func() bool
	assumed assumptions
	waiting waiting
	events  record.EventRecorder
}

var (
	_ framework.PreFilterPlugin   = &plugin{}
	_ framework.FilterPlugin      = &plugin{}
	_ framework.PostFilterPlugin  = &plugin{}
	_ framework.PreScorePlugin    = &plugin{}
	_ framework.ScorePlugin       = &plugin{}
	_ framework.ReservePlugin     = &plugin{}
	_ framework.EnqueueExtensions = &plugin{}
	_ framework.SignPlugin        = &plugin{}
)

// New makes the plugin for a scheduler, whose user needs what Rules says besides
// its own rights. It has no arguments. It waits for nothing: upstream's informers
// hold up every pod until they have listed, so what they lack it watches itself.
func New(ctx context.Context, _ runtime.Object, handle framework.Handle) (framework.Plugin, error) {
	watched, err := newPools(handle.KubeConfig())
	if err != nil {
		return nil, fmt.Errorf("plugin %s: %w", Name, err)
	}
	shared, own := handle.SharedInformerFactory(), informers.NewSharedInformerFactory(handle.ClientSet(), resync)
	attributes := own.Storage().V1().VolumeAttributesClasses()
	attributesKnown := attributes.Informer().HasSynced
	p := &plugin{
		handle:     handle,
		pods:       shared.Core().V1().Pods().Lister(),
		claims:     shared.Core().V1().PersistentVolumeClaims().Lister(),
		classes:    shared.Storage().V1().StorageClasses().Lister(),
		attributes: attributes.Lister(),
		pools:      watched,
		known:      func() bool { return watched.HasSynced() && attributesKnown() },
		assumed:    assumptions{byVolume: map[string]promise{}},
		waiting:    waiting{byPod: map[types.UID]refused{}},
		events:     newRecorder(ctx, handle),
	}
	if err := p.wakeOn(watched, attributes.Informer()); err != nil {
		return nil, err
	}
	own.Start(ctx.Done())
	go watched.RunWithContext(ctx)
	return p, nil
}

// Name is the plugin's name.
func (p *plugin) Name() string { return Name }

// SignPod says which pods are scheduled alike: as far as volumes go, those which
// name the same. (KEP-5598; without it no pod at all would be scheduled by what is
// known from another.)
func (p *plugin) SignPod(_ context.Context, pod *core.Pod) ([]framework.SignFragment, *framework.Status) {
	return []framework.SignFragment{{Key: framework.VolumesSignerName, Value: framework.VolumesSigner(pod)}}, nil
}

// PreFilter reads what the pod's claims ask for. For most pods that is nothing,
// and then the plugin is not asked again; or it is space alone, and then only if
// the pod finds no node.
func (p *plugin) PreFilter(_ context.Context, state framework.CycleState, pod *core.Pod, _ []framework.NodeInfo) (*framework.PreFilterResult, *framework.Status) {
	if !p.known() {
		return nil, framework.NewStatus(framework.Skip)
	}
	asks, err := p.asksOf(pod)
	if err == nil && len(asks) == 0 {
		return nil, framework.NewStatus(framework.Skip)
	}
	found := &findings{asks: asks, nodes: map[string][]string{}}
	state.Write(stateKey, found)
	if err != nil {
		found.unclear = err.Error()
		return nil, framework.NewStatus(framework.UnschedulableAndUnresolvable, found.unclear)
	}
	if !found.demanding() {
		return nil, framework.NewStatus(framework.Skip)
	}
	return nil, nil
}

// PreFilterExtensions: other pods change nothing.
func (p *plugin) PreFilterExtensions() framework.PreFilterExtensions { return nil }

// Filter says whether the node's pools can promise what is asked for. To evict pods
// would not help: their volumes stay, and so do the promises.
func (p *plugin) Filter(_ context.Context, state framework.CycleState, _ *core.Pod, node framework.NodeInfo) *framework.Status {
	found, name := findingsIn(state), node.Node().Name
	lacks := p.judge(name, found.asks).lacks
	if len(lacks) == 0 {
		return nil
	}
	found.refuse(name, lacks)
	return framework.NewStatus(framework.UnschedulableAndUnresolvable, lacks...)
}

// judge asks what is known now.
func (p *plugin) judge(node string, asks []ask) verdict {
	return judge(node, p.pools.on(node), asks, p.assumed.on(node, time.Now()))
}
