package e2e

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// playedNodes make every pod ready and end every deleted one, each at once, as a
// scheduler and a node would, and remember which pods there were.
type playedNodes struct {
	client kubernetes.Interface
	work   chan *corev1.Pod

	mu sync.Mutex
	// held is the name of a pod that does not end.
	held string
	// lives are the pods that each name had.
	lives map[string]map[types.UID]bool
}

func playNodes(t *testing.T, client kubernetes.Interface) *playedNodes {
	t.Helper()
	n := &playedNodes{client: client, work: make(chan *corev1.Pod, 1000), lives: map[string]map[types.UID]bool{}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, Status: corev1.NodeStatus{
		Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourceMemory: resource.MustParse("8Gi")}}}
	if _, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	see := func(obj any) { n.see(obj.(*corev1.Pod)) }
	_, err := factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: see, UpdateFunc: func(_, obj any) { see(obj) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	go func() {
		for {
			select {
			case pod := <-n.work:
				if err := n.act(ctx, pod); err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
					t.Errorf("played node, pod %s: %v", pod.Name, err)
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	return n
}

func (n *playedNodes) see(pod *corev1.Pod) {
	n.mu.Lock()
	if n.lives[pod.Name] == nil {
		n.lives[pod.Name] = map[types.UID]bool{}
	}
	n.lives[pod.Name][pod.UID] = true
	n.mu.Unlock()
	n.work <- pod
}

func (n *playedNodes) act(ctx context.Context, pod *corev1.Pod) error {
	pods := n.client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		if n.isHeld(pod.Name) {
			return nil
		}
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	case pod.Spec.NodeName == "":
		return pods.Bind(ctx, &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: pod.Name, UID: pod.UID},
			Target: corev1.ObjectReference{Kind: "Node", Name: "node"}}, metav1.CreateOptions{})
	case pod.Status.ObservedGeneration < pod.Generation:
		return n.run(ctx, pod)
	}
	return nil
}

// run says that the pod's containers run as its spec has them now.
func (n *playedNodes) run(ctx context.Context, pod *corev1.Pod) error {
	status := corev1.PodStatus{Phase: corev1.PodRunning, ObservedGeneration: pod.Generation,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{
			Name: container.Name, Image: container.Image, ContainerID: "played://" + container.Image, Ready: true,
			Resources: &container.Resources, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = n.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func (n *playedNodes) isHeld(pod string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.held == pod
}

// hold keeps the pods of a name from ending.
func (n *playedNodes) hold(pod string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.held = pod
}

// release lets the held pod end.
func (n *playedNodes) release(ctx context.Context) error {
	n.mu.Lock()
	name := n.held
	n.held = ""
	n.mu.Unlock()
	pod, err := n.client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
	if err == nil {
		n.work <- pod
	}
	return err
}

// livesOf returns the pods that a name has had.
func (n *playedNodes) livesOf(pod string) []types.UID {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Collect(maps.Keys(n.lives[pod]))
}
