package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// webSet is a set of trivial web servers. Each writes its boot count into its
// volume, so that a volume that was lost or swapped would show.
const webSet = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  clusterIP: None
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web}
spec:
  serviceName: web
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: ` + hosts.BusyboxImage + `
        command: [sh, -c, "hostname >> /data/index.html; exec httpd -f -p 80 -h /data"]
        ports: [{name: http, containerPort: 80}]
        readinessProbe: {httpGet: {path: /, port: http}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}
`

func trySet(t *testing.T, h *hosts.Host) {
	h.Apply(t, webSet)
	waitReady(t, h, "web", 3)

	// In order: each pet became ready before the next was created.
	pods := pets(t, h, "web")
	for i := 1; i < len(pods); i++ {
		if before, born := readySince(pods[i-1]), pods[i].CreationTimestamp.Time; born.Before(before) {
			t.Errorf("%s was created at %s, before %s was ready at %s", pods[i].Name, born, pods[i-1].Name, before)
		}
	}
	if host := h.Kubectl(t, "exec", "web-1", "--", "hostname"); strings.TrimSpace(host) != "web-1" {
		t.Errorf("web-1 calls itself %q", host)
	}

	// A pet that is killed comes back under its own name, with its own volume.
	before := pods[1].UID
	h.Kubectl(t, "delete", "pod", "web-1")
	waitReady(t, h, "web", 3)
	if after := pets(t, h, "web")[1].UID; after == before {
		t.Error("web-1 was deleted and is still the same pod")
	}
	if content := h.Kubectl(t, "exec", "web-1", "--", "cat", "/data/index.html"); content != "web-1\nweb-1\n" {
		t.Errorf("web-1 was started twice, but its volume says %q", content)
	}

	// Scaled in, the claims stay; scaled out, they are used again.
	h.Kubectl(t, "scale", "statefulset", "web", "--replicas=1")
	waitReady(t, h, "web", 1)
	if claims := h.Kubectl(t, "get", "pvc", "-l", "app=web", "-o", "name"); strings.Count(claims, "\n") != 3 {
		t.Errorf("after scaling in, these claims are left:\n%s", claims)
	}
	h.Kubectl(t, "scale", "statefulset", "web", "--replicas=3")
	waitReady(t, h, "web", 3)
	if content := h.Kubectl(t, "exec", "web-2", "--", "cat", "/data/index.html"); content != "web-2\nweb-2\n" {
		t.Errorf("web-2 is back, but its volume says %q", content)
	}
}

// waitReady waits until a set has exactly so many pets, all Ready.
func waitReady(t *testing.T, h *hosts.Host, name string, count int32) {
	t.Helper()
	client := h.Client(t)
	hosts.Eventually(t, 60*time.Second, func(ctx context.Context) error {
		set, err := client.AppsV1().StatefulSets("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		status := set.Status
		if status.ObservedGeneration != set.Generation || status.Replicas != count || status.ReadyReplicas != count {
			return fmt.Errorf("set %s has %d pets, %d of them ready, of %d", name, status.Replicas, status.ReadyReplicas, count)
		}
		return nil
	})
}

// pets returns a set's pods in the order of their names.
func pets(t *testing.T, h *hosts.Host, app string) []corev1.Pod {
	t.Helper()
	list, err := h.Client(t).CoreV1().Pods("default").List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func readySince(pod corev1.Pod) time.Time {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.LastTransitionTime.Time
		}
	}
	return time.Time{}
}

func tryVolumeSize(t *testing.T, h *hosts.Host) {
	fill := "dd if=/dev/zero of=/data/fill bs=1M count=200 2>&1; sync; rm /data/fill"
	output := h.Kubectl(t, "exec", "web-0", "--", "sh", "-c", fill)
	if !strings.Contains(output, "No space left on device") {
		t.Errorf("200 MiB into a claim of 64 MiB:\n%s", output)
	}
}
