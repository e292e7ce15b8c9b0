package controller

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/kubernetes/pkg/probe"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// drains carries drains out, each beside the reconciler: one may take minutes.
// That a pod has drained is written on the pod, and wakes its set. A failure is
// remembered here; the plan asks again.
type drains struct {
	config *rest.Config
	client kubernetes.Interface
	events record.EventRecorder
	// life ends when the controller does, and with it every attempt.
	life context.Context

	mu       sync.Mutex
	running  map[types.UID]bool
	failures map[types.UID]string
}

func newDrains(config *rest.Config, client kubernetes.Interface, events record.EventRecorder) *drains {
	return &drains{config: config, client: client, events: events, life: context.Background(),
		running: map[types.UID]bool{}, failures: map[types.UID]string{}}
}

// Start ties the drains to the manager's life, and so to its being the leader.
func (d *drains) Start(ctx context.Context) error {
	d.mu.Lock()
	d.life = ctx
	d.mu.Unlock()
	<-ctx.Done()
	return nil
}

// ask begins to drain the pod as its set says, unless that is under way.
func (d *drains) ask(set client.Object, pod *corev1.Pod) {
	how := set.(*v1alpha1.PetSet).Spec.Drain
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running[pod.UID] {
		return
	}
	d.running[pod.UID] = true
	go d.run(d.life, set, pod, how)
}

func (d *drains) run(ctx context.Context, set client.Object, pod *corev1.Pod, how *v1alpha1.Drain) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(how.TimeoutSeconds)*time.Second)
	defer cancel()
	err := d.drain(ctx, pod, how)
	if err == nil {
		err = d.markDrained(ctx, pod)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.running, pod.UID)
	if err == nil {
		delete(d.failures, pod.UID)
		d.events.Eventf(set, corev1.EventTypeNormal, "Drained", "Pod %s has drained", pod.Name)
		return
	}
	if ctx.Err() == nil || d.failures[pod.UID] == "" {
		d.events.Eventf(set, corev1.EventTypeWarning, "DrainFailed", "Pod %s: %v", pod.Name, err)
	}
	d.failures[pod.UID] = err.Error()
}

// failuresOf returns why the last attempt on each of the pods failed.
func (d *drains) failuresOf(pods []*corev1.Pod) map[types.UID]string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.failures) == 0 {
		return nil
	}
	out := map[types.UID]string{}
	for _, pod := range pods {
		if why := d.failures[pod.UID]; why != "" {
			out[pod.UID] = why
		}
	}
	return out
}

func (d *drains) markDrained(ctx context.Context, pod *corev1.Pod) error {
	patch := fmt.Sprintf(`{"metadata":{"uid":%q,"annotations":{%q:%q}}}`, pod.UID, v1alpha1.DrainedAnnotation, time.Now().UTC().Format(time.RFC3339))
	_, err := d.client.CoreV1().Pods(pod.Namespace).Patch(ctx, pod.Name, types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	return err
}

func (d *drains) drain(ctx context.Context, pod *corev1.Pod, how *v1alpha1.Drain) error {
	if how.Exec != nil {
		return d.exec(ctx, pod, how)
	}
	return d.request(ctx, pod, how.HTTPGet)
}

// exec runs the command in the pod, through the API server.
func (d *drains) exec(ctx context.Context, pod *corev1.Pod, how *v1alpha1.Drain) error {
	container := how.Container
	if container == "" {
		container = pod.Spec.Containers[0].Name
	}
	target := d.client.CoreV1().RESTClient().Post().Namespace(pod.Namespace).Resource("pods").Name(pod.Name).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: how.Exec.Command, Stdout: true, Stderr: true}, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(d.config, http.MethodGet, target.URL().String())
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	var output lastBytes
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: &output, Stderr: &output}); err != nil {
		if said := strings.TrimSpace(output.String()); said != "" {
			return fmt.Errorf("drain: %w: %s", err, said)
		}
		return fmt.Errorf("drain: %w", err)
	}
	return nil
}

// request asks the pod by HTTP, through the API server: the controller need not
// be in the pods' network.
func (d *drains) request(ctx context.Context, pod *corev1.Pod, get *corev1.HTTPGetAction) error {
	port, err := portOf(pod, get.Port)
	if err != nil {
		return fmt.Errorf("drain: %w", err)
	}
	plain := strings.ToLower(string(get.Scheme))
	path, query, _ := strings.Cut(get.Path, "?")
	request := d.client.CoreV1().RESTClient().Get().Namespace(pod.Namespace).Resource("pods").
		Name(fmt.Sprintf("%s:%s:%d", plain, pod.Name, port)).SubResource("proxy").Suffix(path)
	for _, pair := range strings.Split(query, "&") {
		if key, value, ok := strings.Cut(pair, "="); ok {
			request = request.Param(key, value)
		}
	}
	for _, header := range get.HTTPHeaders {
		request = request.SetHeader(header.Name, header.Value)
	}
	status := 0
	body, err := request.Do(ctx).StatusCode(&status).Raw()
	switch {
	case err != nil:
		return fmt.Errorf("drain: %w", err)
	case status == http.StatusAccepted:
		return fmt.Errorf("drain: it goes on (202): %.200s", bytes.TrimSpace(body))
	case status < 200 || status > 299:
		return fmt.Errorf("drain: the pod answers %d: %.200s", status, bytes.TrimSpace(body))
	}
	return nil
}

// portOf finds a port that may be named, in any of the containers.
func portOf(pod *corev1.Pod, port intstr.IntOrString) (number int, err error) {
	for i := range pod.Spec.Containers {
		if number, err = probe.ResolveContainerPort(port, &pod.Spec.Containers[i]); err == nil {
			return number, nil
		}
	}
	return 0, fmt.Errorf("port %s of pod %s: %w", port.String(), pod.Name, err)
}

// lastBytes keeps the end of what a command prints: why it failed stands there.
type lastBytes struct{ bytes.Buffer }

const keptOutput = 500

func (b *lastBytes) Write(p []byte) (int, error) {
	n, err := b.Buffer.Write(p)
	if extra := b.Len() - keptOutput; extra > 0 {
		b.Next(extra)
	}
	return n, err
}
