package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// workloads are the neighbours of pets: what upstream's own controllers run.
const workloads = `
apiVersion: v1
kind: ConfigMap
metadata: {name: page}
data: {index.html: "a page from a ConfigMap"}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: front}
spec:
  replicas: 2
  selector: {matchLabels: {app: front}}
  template:
    metadata: {labels: {app: front}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: front
        image: ` + hosts.BusyboxImage + `
        command: [httpd, -f, -p, "80", -h, /page]
        readinessProbe: {httpGet: {path: /, port: 80}, periodSeconds: 1}
        volumeMounts: [{name: page, mountPath: /page}]
      volumes: [{name: page, configMap: {name: page}}]
---
apiVersion: v1
kind: Service
metadata: {name: front}
spec: {selector: {app: front}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: front-outside}
spec: {type: NodePort, selector: {app: front}, ports: [{port: 80, nodePort: 30080}]}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: front}
spec: {minAvailable: 2, selector: {matchLabels: {app: front}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: agent
        image: ` + hosts.BusyboxImage + `
        command: [sleep, "1000000"]
        ports: [{containerPort: 80, hostPort: 30081}]
`

// onceJob asks the Deployment through its Service.
const onceJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
      - name: once
        image: ` + hosts.BusyboxImage + `
        command: [wget, -qO-, "http://front.default.svc.cluster.local/"]
`

func tryWorkloads(t *testing.T, h *hosts.Host) {
	h.Apply(t, workloads)
	h.Kubectl(t, "rollout", "status", "deployment/front", "--timeout=60s")
	h.Kubectl(t, "rollout", "status", "daemonset/agent", "--timeout=60s")
	h.Apply(t, onceJob)
	h.Kubectl(t, "wait", "--for=condition=complete", "job/once", "--timeout=60s")
	if output := h.Kubectl(t, "logs", "job/once"); output != "a page from a ConfigMap" {
		t.Errorf("the job read this through the Service: %q", output)
	}
	if output := h.Output(t, "curl", "-sS", "--max-time", "5", "http://"+h.IP.String()+":30080/"); output != "a page from a ConfigMap" {
		t.Errorf("through the node port: %q", output)
	}

	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pets(t, h, "front")[0].Name}}
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		err := h.Client(t).PolicyV1().Evictions("default").Evict(ctx, eviction)
		if err == nil {
			t.Fatal("a pod was evicted against its PodDisruptionBudget")
		}
		if !apierrors.IsTooManyRequests(err) || !strings.Contains(err.Error(), "disruption budget") {
			return fmt.Errorf("not refused for the budget: %w", err)
		}
		return nil
	})
	h.Kubectl(t, "delete", "deployment/front", "service/front", "service/front-outside", "daemonset/agent", "job/once", "pdb/front", "configmap/page")
}

func tryKubectl(t *testing.T, h *hosts.Host) {
	if output := h.Kubectl(t, "exec", "web-0", "--", "echo", "from inside"); output != "from inside\n" {
		t.Errorf("exec printed %q", output)
	}

	forward := h.Command("kubectl", "port-forward", "pod/web-0", "18080:80")
	if err := forward.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = forward.Process.Kill(); _ = forward.Wait() }()
	hosts.Eventually(t, 10*time.Second, func(context.Context) error {
		output, err := h.Run("curl", "-sS", "--max-time", "2", "http://127.0.0.1:18080/").Output()
		if err == nil && !strings.HasPrefix(string(output), "web-0\n") {
			err = fmt.Errorf("it says %q", output)
		}
		return err
	})

	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		output, err := h.Command("kubectl", "top", "pods").CombinedOutput()
		if err != nil || !strings.Contains(string(output), "web-0") {
			return errors.Join(err, fmt.Errorf("kubectl top pods: %s", output))
		}
		return nil
	})
}
