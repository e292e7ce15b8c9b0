package bench

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
)

// nodeWorkers is how many pods the simulated nodes work on at once.
const nodeWorkers = 32

// simulateNodes binds every pod, reports it Ready, and takes it away when it was
// deleted, each at once: what is measured waits for nothing but itself.
func simulateNodes(b *testing.B, config *rest.Config) {
	b.Helper()
	config = rest.CopyConfig(config)
	config.ContentType, config.AcceptContentTypes = runtime.ContentTypeProtobuf, runtime.ContentTypeProtobuf
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	work := make(chan *corev1.Pod, 50000)
	factory := informers.NewSharedInformerFactory(client, 0)
	_, err = factory.Core().V1().Pods().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { work <- obj.(*corev1.Pod) },
		UpdateFunc: func(_, obj any) { work <- obj.(*corev1.Pod) },
	})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	for range nodeWorkers {
		go func() {
			for {
				select {
				case pod := <-work:
					err := playKubelet(ctx, client, pod)
					if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
						b.Errorf("node, pod %s: %v", pod.Name, err)
					}
				case <-ctx.Done():
					return
				}
			}
		}()
	}
	b.Cleanup(func() { cancel(); factory.Shutdown() })
}

// playKubelet takes the pod's next step, if it has one.
func playKubelet(ctx context.Context, client kubernetes.Interface, pod *corev1.Pod) error {
	pods := client.CoreV1().Pods(pod.Namespace)
	switch {
	case pod.DeletionTimestamp != nil:
		return pods.Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: ptr.To[int64](0), Preconditions: metav1.NewUIDPreconditions(string(pod.UID))})
	case pod.Spec.NodeName == "":
		return pods.Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "simulated"},
		}, metav1.CreateOptions{})
	case pod.Status.Phase == corev1.PodPending:
		running := *pod // only read besides
		running.Status = corev1.PodStatus{Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{
			{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now()}}}
		_, err := pods.UpdateStatus(ctx, &running, metav1.UpdateOptions{})
		return err
	}
	return nil
}
