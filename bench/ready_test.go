package bench

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const namespace = metav1.NamespaceDefault

// readyPet is a pet whose Ready condition was seen for the first time.
type readyPet struct {
	name string
	ip   string
	seen time.Time
}

// watchReady reports the pets of a set as they become Ready. It watches from
// now on: call it before the set is made. It ends with the benchmark.
func watchReady(b *testing.B, client kubernetes.Interface, set string) <-chan readyPet {
	b.Helper()
	events, err := client.CoreV1().Pods(namespace).Watch(b.Context(), metav1.ListOptions{LabelSelector: "app=" + set})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(events.Stop)
	ready := make(chan readyPet, 100)
	go func() {
		defer close(ready)
		reported := map[string]bool{}
		for event := range events.ResultChan() {
			pod, ok := event.Object.(*corev1.Pod)
			if !ok || reported[pod.Name] || !isReady(pod) {
				continue
			}
			reported[pod.Name] = true
			ready <- readyPet{pod.Name, pod.Status.PodIP, time.Now()}
		}
	}()
	return ready
}

// nextReady returns the next pet that becomes Ready.
func nextReady(b *testing.B, ready <-chan readyPet) readyPet {
	b.Helper()
	var pet readyPet
	var watching bool
	select {
	case pet, watching = <-ready:
		if !watching {
			b.Fatal("the watch on the pets ended")
		}
	case <-time.After(time.Minute):
		b.Fatal("no pet became Ready within a minute")
	}
	return pet
}

func isReady(pod *corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}
