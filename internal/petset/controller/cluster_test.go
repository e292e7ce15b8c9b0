package controller

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// cluster is a test's own namespace on the API server that all tests share.
type cluster struct {
	*testing.T
	ctx       context.Context
	client    kubernetes.Interface
	objects   dynamic.Interface
	kubelet   *kubelet
	namespace string
	sets      sets
	// statefulSets, whatever the kind of the sets.
	statefulSets dynamic.ResourceInterface

	mu sync.Mutex
	// log is what happened to the pods, in its order: "+web-0" created,
	// "ready web-0", "deleting web-0", "-web-0" gone.
	log []string
}

func newCluster(t *testing.T, client kubernetes.Interface, objects dynamic.Interface, k *kubelet, kind schema.GroupVersionKind) *cluster {
	t.Helper()
	c := &cluster{T: t, ctx: t.Context(), client: client, objects: objects, kubelet: k}
	namespace, err := client.CoreV1().Namespaces().Create(c.ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	c.must(err)
	c.namespace = namespace.Name
	c.sets = setsOf(kind, objects, c.namespace)
	c.statefulSets = setsOf(petset.StatefulSetKind, objects, c.namespace).client
	c.record()
	return c
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// record keeps the log of the pods.
func (c *cluster) record() {
	events, err := c.client.CoreV1().Pods(c.namespace).Watch(c.ctx, metav1.ListOptions{})
	c.must(err)
	c.Cleanup(events.Stop)
	go func() {
		last := map[string]string{}
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok {
				continue
			}
			now := describe(event.Type, pod)
			c.mu.Lock()
			if now != last[string(pod.UID)] {
				c.log = append(c.log, now)
			}
			c.mu.Unlock()
			last[string(pod.UID)] = now
		}
	}()
}

func describe(event watch.EventType, pod *corev1.Pod) string {
	switch {
	case event == watch.Deleted:
		return "-" + pod.Name
	case pod.DeletionTimestamp != nil:
		return "deleting " + pod.Name
	case isReady(pod):
		return "ready " + pod.Name
	default:
		return "+" + pod.Name
	}
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// story returns the log, and starts a new one.
func (c *cluster) story() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	story := strings.Join(c.log, ", ")
	c.log = nil
	return story
}

// expectStory waits for the log to be this one.
func (c *cluster) expectStory(want string) {
	c.Helper()
	got := ""
	c.eventually("the story "+want, func() error {
		c.mu.Lock()
		defer c.mu.Unlock()
		if got = strings.Join(c.log, ", "); got != want {
			return fmt.Errorf("the story is %s", got)
		}
		return nil
	})
	c.story()
}

// eventually waits for what returns no error.
func (c *cluster) eventually(what string, check func() error) {
	c.Helper()
	var err error
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	c.Fatalf("waited 20 s for %s: %v", what, err)
}

// never fails if the check succeeds within a time in which a controller that
// wanted to would long have acted.
func (c *cluster) never(what string, check func() bool) {
	c.Helper()
	for deadline := time.Now().Add(300 * time.Millisecond); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if check() {
			c.Fatal(what)
		}
	}
}

func (c *cluster) create(set *apps.StatefulSet) *apps.StatefulSet {
	c.Helper()
	created, err := c.sets.create(c.ctx, set)
	c.must(err)
	return created
}

// change updates the set, however often it must try.
func (c *cluster) change(change func(*apps.StatefulSet)) {
	c.Helper()
	c.eventually("the update of the set", func() error {
		before := c.set()
		after := before.DeepCopy()
		change(after)
		return c.sets.patch(c.ctx, before, after)
	})
}

func (c *cluster) set() *apps.StatefulSet {
	c.Helper()
	set, err := c.sets.get(c.ctx, "web")
	c.must(err)
	return set
}

func (c *cluster) pod(name string) *corev1.Pod {
	c.Helper()
	pod, err := c.client.CoreV1().Pods(c.namespace).Get(c.ctx, name, metav1.GetOptions{})
	c.must(err)
	return pod
}

func (c *cluster) pods() []corev1.Pod {
	c.Helper()
	list, err := c.client.CoreV1().Pods(c.namespace).List(c.ctx, metav1.ListOptions{})
	c.must(err)
	return list.Items
}

func (c *cluster) claim(name string) *corev1.PersistentVolumeClaim {
	c.Helper()
	claim, err := c.client.CoreV1().PersistentVolumeClaims(c.namespace).Get(c.ctx, name, metav1.GetOptions{})
	c.must(err)
	return claim
}

func (c *cluster) revisions() []apps.ControllerRevision {
	c.Helper()
	list, err := c.client.AppsV1().ControllerRevisions(c.namespace).List(c.ctx, metav1.ListOptions{})
	c.must(err)
	return list.Items
}

func (c *cluster) deletePod(name string) {
	c.Helper()
	c.must(c.client.CoreV1().Pods(c.namespace).Delete(c.ctx, name, metav1.DeleteOptions{}))
}

// settled waits until the status says that the set is what was asked: its
// pets ready, of one revision, and none too many.
func (c *cluster) settled() {
	c.Helper()
	c.eventually("the set to settle", func() error {
		set := c.set()
		n, s := *set.Spec.Replicas, set.Status
		if s.ObservedGeneration != set.Generation || s.Replicas != n || s.ReadyReplicas != n || s.AvailableReplicas != n ||
			s.UpdatedReplicas != n || s.CurrentReplicas != n || s.CurrentRevision != s.UpdateRevision {
			return fmt.Errorf("its status is %+v", s)
		}
		return nil
	})
}

// status waits for the counts of the set's status.
func (c *cluster) expectStatus(replicas, ready, available, current, updated int32) {
	c.Helper()
	want := fmt.Sprint(replicas, ready, available, current, updated)
	c.eventually("the status (replicas, ready, available, current, updated) "+want, func() error {
		set := c.set()
		s := set.Status
		got := fmt.Sprint(s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.UpdatedReplicas)
		if got != want || s.ObservedGeneration != set.Generation {
			return fmt.Errorf("it is %s, of generation %d of %d", got, s.ObservedGeneration, set.Generation)
		}
		return nil
	})
}

func (c *cluster) patchPod(name, patch string) {
	c.Helper()
	_, err := c.client.CoreV1().Pods(c.namespace).Patch(c.ctx, name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	c.must(err)
}

// setReady lets a running pod become unready, or ready again.
func (c *cluster) setReady(name string, ready bool) {
	c.Helper()
	status := corev1.ConditionFalse
	if ready {
		status = corev1.ConditionTrue
	}
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":%q}]}}`, status)
	_, err := c.client.CoreV1().Pods(c.namespace).Patch(c.ctx, name, types.StrategicMergePatchType, []byte(patch), metav1.PatchOptions{}, "status")
	c.must(err)
}

// expectEvent waits for an event about the set.
func (c *cluster) expectEvent(reason, message string) {
	c.Helper()
	c.findEvent(reason, func(got string) bool { return got == message })
}

// expectEventLike waits for an event about the set whose message contains part.
func (c *cluster) expectEventLike(reason, part string) {
	c.Helper()
	c.findEvent(reason, func(got string) bool { return strings.Contains(got, part) })
}

func (c *cluster) findEvent(reason string, match func(message string) bool) {
	c.Helper()
	c.eventually("an event "+reason, func() error {
		events, err := c.client.CoreV1().Events(c.namespace).List(c.ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		seen := ""
		for _, event := range events.Items {
			if event.Reason == reason && event.InvolvedObject.Name == "web" && match(event.Message) {
				return nil
			}
			seen += "\n" + event.Reason + ": " + event.Message
		}
		return fmt.Errorf("there are:%s", seen)
	})
}

func quantities(name corev1.ResourceName, value string) corev1.ResourceList {
	return corev1.ResourceList{name: resource.MustParse(value)}
}
