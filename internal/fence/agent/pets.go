package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// Spared is a file of the UIDs of pods that are no pets. The executioner has nothing
// else to go by: what is not there is taken for a pet.
type Spared struct {
	Path string
	// Also tells of pods that are no pets, though the file may not know them yet; nil: there
	// are none.
	Also func(uid string) bool
}

// read returns nil where nobody has told yet.
func (s Spared) read() (map[string]bool, error) {
	content, err := os.ReadFile(s.Path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	spared := map[string]bool{}
	for uid := range strings.FieldsSeq(string(content)) {
		spared[uid] = true
	}
	return spared, err
}

func (s Spared) write(uids []string) error {
	slices.Sort(uids)
	if err := os.WriteFile(s.Path+".tmp", []byte(strings.Join(uids, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return os.Rename(s.Path+".tmp", s.Path)
}

// StopPets stops all pods but the spared. Without the file all are stopped.
func StopPets(ctx context.Context, pods halt.Pods, spared Spared) error {
	uids, err := spared.read()
	if err != nil {
		return fmt.Errorf("read which pods are no pets: %w", err)
	}
	return pods.Stop(ctx, func(uid string) bool { return uids[uid] || spared.Also != nil && spared.Also(uid) })
}

// Pets are those that the API has bound to a node.
type Pets struct {
	Client kubernetes.Interface
	Node   string
	Halt   halt.Pods
	Spared Spared
}

// Stop stops all pets.
func (p Pets) Stop(ctx context.Context) error { return StopPets(ctx, p.Halt, p.Spared) }

// claimed is the condition of a pet that its node may run, since it was read in this
// epoch of the node's lease and before.
const claimed core.PodConditionType = "mainstay.dev/Claimed"

// Claim writes to each pet that is still the node's, and lets all run that took it: a
// deletion that was decided before then misses its precondition. All must succeed, so
// that none waits for ever. Those that are not the node's any more it ends for good.
func (p Pets) Claim(ctx context.Context, epoch int32) error {
	there, err := p.Halt.List()
	if err != nil {
		return err
	}
	pods, err := p.Client.CoreV1().Pods("").List(ctx, meta.ListOptions{FieldSelector: p.selector()})
	if err != nil {
		return fmt.Errorf("read which pods are this node's: %w", err)
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		if fence.IsPet(pod) {
			err = p.claim(ctx, pod, epoch)
		}
		if apierrors.IsNotFound(err) {
			err = nil // somebody has taken it
			continue
		}
		if err == nil {
			err = p.Halt.Allow(string(pod.UID))
		}
		if err != nil {
			return fmt.Errorf("claim pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		delete(there, string(pod.UID))
	}
	return p.clear(ctx, there)
}

// clear kills what is started in the frozen cgroups of pods that the API has no more,
// until kubelet has removed them. Else it would wait for minutes for a sandbox that it
// has begun there, and keep the pods' volumes mounted as long.
func (p Pets) clear(ctx context.Context, gone map[string]string) error {
	for ctx.Err() == nil {
		spared, err := p.Spared.read()
		if err != nil {
			return fmt.Errorf("read which pods are no pets: %w", err)
		}
		now, err := p.Halt.List()
		if err != nil {
			return err
		}
		maps.DeleteFunc(gone, func(uid, _ string) bool { return spared[uid] || now[uid] == "" })
		if len(gone) == 0 {
			return nil
		}
		if err := p.Halt.Stop(ctx, func(uid string) bool { return gone[uid] == "" }); err != nil {
			return err
		}
		pauseFor(ctx, again)
	}
	return ctx.Err()
}

func (p Pets) claim(ctx context.Context, pod *core.Pod, epoch int32) error {
	patch, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": pod.UID, "resourceVersion": pod.ResourceVersion},
		"status": map[string]any{"conditions": []core.PodCondition{{
			Type: claimed, Status: core.ConditionTrue, Reason: "LeaseAcquired", LastTransitionTime: meta.Now(),
			Message: fmt.Sprintf("Node %s runs it in epoch %d of its lease.", p.Node, epoch),
		}}},
	})
	if err != nil {
		return err
	}
	_, err = p.Client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, meta.PatchOptions{}, "status")
	return err
}

func (p Pets) selector() string {
	return fields.OneTermEqualSelector("spec.nodeName", p.Node).String()
}

// Watch keeps the file of those that are no pets until ctx ends.
func (p Pets) Watch(ctx context.Context) error {
	factory := informers.NewSharedInformerFactoryWithOptions(p.Client, 0, informers.WithTweakListOptions(func(o *meta.ListOptions) { o.FieldSelector = p.selector() }))
	informer := factory.Core().V1().Pods().Informer()
	var mutex sync.Mutex
	last := "nothing is written yet"
	write := func() {
		if !informer.HasSynced() {
			return // it does not know all of them
		}
		mutex.Lock()
		defer mutex.Unlock()
		var uids []string
		for _, object := range informer.GetStore().List() {
			if pod := object.(*core.Pod); !fence.IsPet(pod) {
				// The UID of a pod from a file is a hash; the API's is that of its mirror.
				uids = append(uids, string(pod.UID), pod.Annotations[core.MirrorPodAnnotationKey])
			}
		}
		slices.Sort(uids)
		if now := strings.Join(uids, " "); now != last && p.Spared.write(uids) == nil {
			last = now
		}
	}
	if _, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { write() }, UpdateFunc: func(_, _ any) { write() }, DeleteFunc: func(any) { write() },
	}); err != nil {
		return err
	}
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	write()
	<-ctx.Done()
	factory.Shutdown()
	return nil
}
