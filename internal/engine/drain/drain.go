package drain

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/kubectl/pkg/drain"
	podutil "k8s.io/kubernetes/pkg/api/v1/pod"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// Clients reach the cluster: typed, and for PetSets.
type Clients struct {
	kubernetes.Interface
	Objects client.Client
}

// NewClients returns clients with that access.
func NewClients(access *rest.Config) (Clients, error) {
	typed, err := kubernetes.NewForConfig(access)
	if err != nil {
		return Clients{}, err
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return Clients{}, err
	}
	access = rest.CopyConfig(access)
	access.ContentType, access.AcceptContentTypes = runtime.ContentTypeJSON, runtime.ContentTypeJSON // PetSets know no other
	objects, err := client.New(access, client.Options{Scheme: scheme})
	return Clients{typed, objects}, err
}

// Options are what a person may choose.
type Options struct {
	// Force also moves pods that nobody will make again.
	Force bool
	// Back is how long a pet may take to be Ready elsewhere before the rest stays.
	Back time.Duration
}

// evictAgain is how soon an eviction is tried again that a PodDisruptionBudget refused.
const evictAgain = time.Second

// Node moves all pods away from a node and keeps new ones from it. It refuses before
// it moves anything, reports each step, waits as long as PodDisruptionBudgets ask for,
// and may be interrupted and repeated.
func Node(ctx context.Context, c Clients, name string, options Options, report func(string)) error {
	node, err := c.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no node %s: see `mainstay nodes`", name)
	}
	if err != nil {
		return err
	}
	helper := &drain.Helper{
		Ctx: ctx, Client: c, Force: options.Force, GracePeriodSeconds: -1, IgnoreAllDaemonSets: true,
		DeleteEmptyDirData: true, EvictErrorRetryDelay: evictAgain,
		Out: io.Discard, ErrOut: lines(func(line string) { report(explain(line)) }),
	}
	if _, err := toMove(helper, name); err != nil {
		return err
	}
	if err := drain.RunCordonOrUncordon(helper, node, true); err != nil {
		return fmt.Errorf("keep new pods from node %s: %w", name, err)
	}
	for {
		pods, err := toMove(helper, name)
		if err != nil || len(pods) == 0 {
			return err
		}
		leaders, err := leadersOf(ctx, c, pods)
		if err != nil {
			return err
		}
		pod := Next(pods, leaders)
		report(announce(pod, leaders, len(pods)))
		if err := helper.DeleteOrEvictPods([]corev1.Pod{pod}); ctx.Err() != nil {
			return ctx.Err() // in kubectl's words it took too long
		} else if err != nil {
			return fmt.Errorf("move pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		if IsPet(pod) {
			if err := waitForBack(ctx, c, pod, options.Back, report); err != nil {
				return err
			}
		}
	}
}

func announce(pod corev1.Pod, leaders Leaders, left int) string {
	leads := ""
	if Leads(pod, leaders) {
		leads = ", which leads its set"
	}
	return fmt.Sprintf("moving pod %s/%s%s (%d left)", pod.Namespace, pod.Name, leads, left)
}

// toMove lists the pods of a node that are not DaemonSets', which stay.
func toMove(helper *drain.Helper, node string) ([]corev1.Pod, error) {
	list, failures := helper.GetPodsForDeletion(node)
	if len(failures) > 0 {
		text := strings.ReplaceAll(errors.Join(failures...).Error(), "\n", "; ")
		if strings.Contains(text, "declare no controller") {
			text += ": --force deletes them"
		}
		return nil, fmt.Errorf("node %s cannot be drained: %s", node, text)
	}
	return list.Pods(), nil
}

// leadersOf asks the PetSets of the pods which labels their leaders carry.
func leadersOf(ctx context.Context, c Clients, pods []corev1.Pod) (Leaders, error) {
	leaders := Leaders{}
	for _, pod := range pods {
		owner := metav1.GetControllerOf(&pod)
		if owner == nil || owner.Kind != petset.PetSetKind.Kind {
			continue
		}
		if _, known := leaders[owner.UID]; known {
			continue
		}
		set := &v1alpha1.PetSet{}
		err := c.Objects.Get(ctx, client.ObjectKey{Namespace: pod.Namespace, Name: owner.Name}, set)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		rolling := set.Spec.UpdateStrategy.RollingUpdate
		if rolling == nil || rolling.LeaderSelector == nil {
			leaders[owner.UID] = nil
			continue
		}
		if leaders[owner.UID], err = metav1.LabelSelectorAsSelector(rolling.LeaderSelector); err != nil {
			return nil, fmt.Errorf("petset %s/%s: leaderSelector: %w", set.Namespace, set.Name, err)
		}
	}
	return leaders, nil
}

// waitForBack returns when a pet is Ready elsewhere, or cannot be: its volume is on
// the node, say. Then it waits for the node, and the others need not.
func waitForBack(ctx context.Context, c Clients, gone corev1.Pod, patience time.Duration, report func(string)) error {
	report(fmt.Sprintf("waiting for pod %s/%s to be Ready again", gone.Namespace, gone.Name))
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		pod, err := c.CoreV1().Pods(gone.Namespace).Get(ctx, gone.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			wanted, err := stillWanted(ctx, c, gone)
			if err != nil || !wanted {
				return err
			}
		case err != nil:
			return err
		case pod.UID != gone.UID && podutil.IsPodReady(pod):
			report(fmt.Sprintf("pod %s/%s is Ready on node %s", pod.Namespace, pod.Name, pod.Spec.NodeName))
			return nil
		case pod.UID != gone.UID && unschedulable(pod) != "":
			report(fmt.Sprintf("pod %s/%s waits for the node: %s", pod.Namespace, pod.Name, unschedulable(pod)))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("pod %s/%s is not Ready %v after it was moved: what is left on the node stays there. See `mainstay status`, then drain again",
		gone.Namespace, gone.Name, patience)
}

// stillWanted: the set of a pod that is gone is there, and will make it again.
func stillWanted(ctx context.Context, c Clients, gone corev1.Pod) (bool, error) {
	owner := metav1.GetControllerOf(&gone)
	if owner.Kind == petset.PetSetKind.Kind {
		set := &v1alpha1.PetSet{}
		err := c.Objects.Get(ctx, client.ObjectKey{Namespace: gone.Namespace, Name: owner.Name}, set)
		return err == nil && set.UID == owner.UID && set.DeletionTimestamp == nil, client.IgnoreNotFound(err)
	}
	set, err := c.AppsV1().StatefulSets(gone.Namespace).Get(ctx, owner.Name, metav1.GetOptions{})
	return err == nil && set.UID == owner.UID && set.DeletionTimestamp == nil, client.IgnoreNotFound(err)
}

func unschedulable(pod *corev1.Pod) string {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable {
			return condition.Message
		}
	}
	return ""
}

// explain makes a sentence of what kubectl's code says when a budget holds a pod.
func explain(line string) string {
	if strings.Contains(line, "disruption budget") {
		return "waiting for a PodDisruptionBudget: " + line
	}
	return line
}

// lines passes on what is written, line by line.
type lines func(string)

func (l lines) Write(text []byte) (int, error) {
	for line := range bytes.Lines(text) {
		if trimmed := strings.TrimSpace(string(line)); trimmed != "" {
			l(trimmed)
		}
	}
	return len(text), nil
}
