package controller

import (
	"context"
	"sync"
	"testing"
	"time"

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
	// be ready; "stop", to go when deleted.
	held map[string]string
}

func startKubelet(t *testing.T, client kubernetes.Interface) *kubelet {
	t.Helper()
	k := &kubelet{client: client, work: make(chan *corev1.Pod, 10000), held: map[string]string{}}
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
	case pod.Spec.NodeName == "":
		err = k.client.CoreV1().Pods(pod.Namespace).Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "node"},
		}, metav1.CreateOptions{})
	case pod.Status.Phase == corev1.PodPending && !k.isHeld(pod, "start"):
		err = k.setPhase(ctx, pod, corev1.PodRunning)
	}
	if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		t.Errorf("kubelet, pod %s/%s: %v", pod.Namespace, pod.Name, err)
	}
}

// setPhase writes the pod's status; a running pod is ready since now.
func (k *kubelet) setPhase(ctx context.Context, pod *corev1.Pod, phase corev1.PodPhase) error {
	patch := `{"metadata":{"uid":"` + string(pod.UID) + `"},"status":{"phase":"` + string(phase) + `","conditions":[{"type":"Ready","status":"` + readyWhen(phase) +
		`","lastTransitionTime":"` + time.Now().UTC().Format(time.RFC3339) + `"}]}}`
	_, err := k.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	return err
}

func readyWhen(phase corev1.PodPhase) string {
	if phase == corev1.PodRunning {
		return "True"
	}
	return "False"
}
