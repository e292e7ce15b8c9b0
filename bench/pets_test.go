package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const (
	petCount  = 10
	petRounds = 5
	setName   = "web"
)

// measurePets takes the time from creating an OrderedReady set to its last pet
// being Ready and answering. The yardstick is the same pods started straight over
// CRI, one after another. Rounds take turns, so that a noisy minute hits all alike.
func measurePets(b *testing.B, h *hosts.Host) []row {
	b.Helper()
	client := h.Client(b)
	against := fmt.Sprintf("%d pods over CRI, to the last one's HTTP answer", petCount)
	var straight sample
	sets := []struct {
		measured string
		set      func() *appsv1.StatefulSet
		took     sample
	}{
		{"no probe, create to all Ready", func() *appsv1.StatefulSet { return webSet(setName, petCount, nil) }, nil},
		{"readiness probe each 1 s", func() *appsv1.StatefulSet { return webSet(setName, petCount, tightestProbe) }, nil},
		{"no probe, no API token", func() *appsv1.StatefulSet { return withoutToken(webSet(setName, petCount, nil)) }, nil},
	}
	for round := range petRounds {
		say("%d pets, round %d of %d", petCount, round+1, petRounds)
		straight = append(straight, timeStraightPods(b, h, petCount))
		for i := range sets {
			sets[i].took = append(sets[i].took, timeSet(b, h, client, sets[i].set()))
		}
	}
	var rows []row
	for _, s := range sets {
		name := fmt.Sprintf("%d ordered pets, %s", petCount, s.measured)
		rows = append(rows, row{name, seconds, s.took, against, straight, true, goal{limit: 1.5, ratio: true}})
	}
	return rows
}

// timeSet makes a set, returns how long it took in seconds, and removes it.
func timeSet(b *testing.B, h *hosts.Host, client kubernetes.Interface, set *appsv1.StatefulSet) float64 {
	b.Helper()
	ready := watchReady(b, client, set.Name)
	if _, err := client.CoreV1().Services(namespace).Create(b.Context(), webService(set.Name), metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	begun := time.Now()
	if _, err := client.AppsV1().StatefulSets(namespace).Create(b.Context(), set, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	var last readyPet
	for range petCount {
		last = nextReady(b, ready)
	}
	waitForAnswer(b, h, last.ip)
	took := time.Since(begun).Seconds()
	removeSet(b, client, set.Name)
	return took
}

// settle is how long the machine is left alone after a set is gone.
const settle = 2 * time.Second

// removeSet removes a set and its service, and returns when the pods are gone.
func removeSet(b *testing.B, client kubernetes.Interface, name string) {
	b.Helper()
	if err := client.AppsV1().StatefulSets(namespace).Delete(b.Context(), name, metav1.DeleteOptions{}); err != nil {
		b.Fatal(err)
	}
	if err := client.CoreV1().Services(namespace).Delete(b.Context(), name, metav1.DeleteOptions{}); err != nil {
		b.Fatal(err)
	}
	hosts.Eventually(b, time.Minute, func(ctx context.Context) error {
		pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err == nil && len(pods.Items) > 0 {
			err = fmt.Errorf("%d pods are left", len(pods.Items))
		}
		return err
	})
	time.Sleep(settle)
}
