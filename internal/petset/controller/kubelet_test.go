package controller

import (
	"cmp"
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// kubelet plays the nodes: it binds every pod, makes it ready and takes it
// away when it was deleted, each at once, unless a test holds that up.
type kubelet struct {
	client kubernetes.Interface
	pods   cache.Store
	work   chan *corev1.Pod

	mu sync.Mutex
	// held says what does not happen to a pod, by namespace/name: "start", to
	// be ready; "place", to get a node; "stop", to go when deleted.
	held map[string]string
	// places are the nodes of pods that are not on the common one, by
	// namespace/name.
	places map[string]string
}

func startKubelet(t *testing.T, client kubernetes.Interface) *kubelet {
	t.Helper()
	k := &kubelet{client: client, work: make(chan *corev1.Pod, 10000), held: map[string]string{}, places: map[string]string{}}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node"}, // resizing looks at it
		Status: corev1.NodeStatus{Allocatable: quantities(corev1.ResourceMemory, "1Gi")}}
	if _, err := client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	informer := factory.Core().V1().Pods().Informer()
	k.pods = informer.GetStore()
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { k.work <- obj.(*corev1.Pod) },
		UpdateFunc: func(_, obj any) { k.work <- obj.(*corev1.Pod) },
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range 16 {
		go func() {
			for {
				select {
				case pod := <-k.work:
					k.sync(ctx, t, pod)
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	t.Cleanup(func() { cancel(); factory.Shutdown() })
	return k
}

// hold keeps a pod from starting or from stopping.
func (k *kubelet) hold(namespace, pod, what string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.held[namespace+"/"+pod] = what
}

// release lets happen what was held up.
func (k *kubelet) release(namespace, pod string) {
	k.mu.Lock()
	delete(k.held, namespace+"/"+pod)
	k.mu.Unlock()
	if obj, exists, _ := k.pods.GetByKey(namespace + "/" + pod); exists {
		k.work <- obj.(*corev1.Pod)
	}
}

// place says where the next pod of that name runs; empty for the common node.
func (k *kubelet) place(namespace, pod, node string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.places[namespace+"/"+pod] = node
}

func (k *kubelet) nodeOf(pod *corev1.Pod) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return cmp.Or(k.places[pod.Namespace+"/"+pod.Name], "node")
}

func (k *kubelet) isHeld(pod *corev1.Pod, what string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held[pod.Namespace+"/"+pod.Name] == what
}

func (k *kubelet) sync(ctx context.Context, t *testing.T, pod *corev1.Pod) {
	var err error
	switch {
	case pod.DeletionTimestamp != nil && k.isHeld(pod, "stop"):
	case pod.DeletionTimestamp != nil:
		err = k.client.CoreV1().Pods(pod.Namespace).Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	case pod.Spec.NodeName == "" && k.isHeld(pod, "place"):
	case pod.Spec.NodeName == "":
		err = k.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: k.nodeOf(pod)},
		}, metav1.CreateOptions{})
	case pod.Status.Phase == corev1.PodPending && !k.isHeld(pod, "start"):
		err = k.setPhase(ctx, pod, corev1.PodRunning)
	case pod.Status.Phase == corev1.PodRunning && pod.Status.ObservedGeneration < pod.Generation && !k.isHeld(pod, "change"):
		err = k.setPhase(ctx, pod, corev1.PodRunning) // with containers of other images
	}
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) && !isAnotherPod(err) {
		t.Errorf("kubelet, pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
}

// isAnotherPod: the name has a new pod by now.
func isAnotherPod(err error) bool {
	return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "metadata.uid")
}

// setPhase writes the pod's status; a running pod is ready since now, and each of
// its containers is another one when it has another image.
func (k *kubelet) setPhase(ctx context.Context, pod *corev1.Pod, phase corev1.PodPhase) error {
	status := corev1.PodStatus{Phase: phase, ObservedGeneration: pod.Generation,
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: readyWhen(phase), LastTransitionTime: metav1.Now()}}}
	for _, container := range pod.Spec.Containers {
		status.ContainerStatuses = append(status.ContainerStatuses, corev1.ContainerStatus{Name: container.Name, Image: container.Image,
			ContainerID: "played://" + container.Image, Resources: &container.Resources, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}})
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": pod.UID}, "status": status})
	if err != nil {
		return err
	}
	_, err = k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, patch, metav1.PatchOptions{}, "status")
	return err
}

func readyWhen(phase corev1.PodPhase) corev1.ConditionStatus {
	if phase == corev1.PodRunning {
		return corev1.ConditionTrue
	}
	return corev1.ConditionFalse
}
