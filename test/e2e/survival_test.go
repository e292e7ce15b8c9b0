package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// TestSurvivesBeingKilled kills the engine 20 times while a rollout goes on and
// a client writes. Pods that the rollout does not touch must run through, and
// whatever the API acknowledged must be there in the end.
func TestSurvivesBeingKilled(t *testing.T) {
	t.Parallel()
	const kills = 20
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	h := hosts.New(t, 2)
	h.Up(t)
	h.ImportBusybox(t)
	h.Apply(t, webSet)
	h.Apply(t, strings.ReplaceAll(webSet, "web", "bystander"))
	waitReady(t, h, "web", 3)
	waitReady(t, h, "bystander", 3)
	before := pets(t, h, "bystander")

	writer := startWriter(t, h)
	for kill := range kills {
		roll := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"turn":"%d"}}}}}`, kill)
		h.Kubectl(t, "patch", "statefulset", "web", "-p", roll)
		time.Sleep(time.Duration(random.IntN(3000)) * time.Millisecond)
		h.KillEngine(t)
		h.Up(t)
	}
	acknowledged := writer.stop()

	waitRolledOut(t, h, "web")
	waitReady(t, h, "bystander", 3)
	for i, pod := range pets(t, h, "bystander") {
		if pod.UID != before[i].UID || pod.Status.ContainerStatuses[0].RestartCount != 0 {
			t.Errorf("%s was restarted %d times (or is another pod)", pod.Name, pod.Status.ContainerStatuses[0].RestartCount)
		}
	}
	for _, pod := range pets(t, h, "web") {
		if restarts := pod.Status.ContainerStatuses[0].RestartCount; restarts != 0 {
			t.Errorf("%s was rolled out, but its container was also restarted %d times", pod.Name, restarts)
		}
	}
	checkAcknowledged(t, h, acknowledged)
}

func waitRolledOut(t *testing.T, h *hosts.Host, name string) {
	t.Helper()
	client := h.Client(t)
	hosts.Eventually(t, 90*time.Second, func(ctx context.Context) error {
		set, err := client.AppsV1().StatefulSets("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status := set.Status
		if status.ObservedGeneration != set.Generation || status.CurrentRevision != status.UpdateRevision || status.ReadyReplicas != *set.Spec.Replicas {
			return fmt.Errorf("set %s: %+v", name, status)
		}
		return nil
	})
}

// writer creates ConfigMaps one after another and remembers those that the API
// acknowledged.
type writer struct {
	cancel       context.CancelFunc
	done         sync.WaitGroup
	acknowledged []string
}

func startWriter(t *testing.T, h *hosts.Host) *writer {
	client := h.Client(t)
	ctx, cancel := context.WithCancel(t.Context())
	w := &writer{cancel: cancel}
	w.done.Go(func() { w.run(ctx, client) })
	return w
}

func (w *writer) run(ctx context.Context, client kubernetes.Interface) {
	for number := 0; ctx.Err() == nil; number++ {
		object := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("written-%d", number), Labels: map[string]string{"written": "yes"}},
		}
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		_, err := client.CoreV1().ConfigMaps("default").Create(attempt, object, metav1.CreateOptions{})
		cancel()
		if err == nil || apierrors.IsAlreadyExists(err) {
			w.acknowledged = append(w.acknowledged, object.Name)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (w *writer) stop() []string {
	w.cancel()
	w.done.Wait()
	return w.acknowledged
}

func checkAcknowledged(t *testing.T, h *hosts.Host, names []string) {
	t.Helper()
	list, err := h.Client(t).CoreV1().ConfigMaps("default").List(t.Context(), metav1.ListOptions{LabelSelector: "written=yes"})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, object := range list.Items {
		found[object.Name] = true
	}
	if len(names) < 100 {
		t.Errorf("only %d writes were acknowledged; the test proves little", len(names))
	}
	for _, name := range names {
		if !found[name] {
			t.Errorf("%s was acknowledged and is gone", name)
		}
	}
	t.Logf("%d acknowledged writes are all there", len(names))
}
