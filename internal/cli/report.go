package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
	"github.com/mainstay-io/mainstay/internal/engine/drain"
)

// report is what `mainstay status` shows; its JSON form is for programs.
type report struct {
	Engine engine.State `json:"engine"`
	// Server is that of the cluster which this machine has joined; empty on the server.
	Server string       `json:"server,omitempty"`
	Nodes  []nodeReport `json:"nodes"`
	Sets   []setReport  `json:"sets"`
	Pods   podCounts    `json:"otherPods"`
	// Failovers are those of the last hour.
	Failovers []*failover `json:"failovers,omitempty"`
	Problems  []string    `json:"problems"`

	now time.Time
}

type nodeReport struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Fenced  bool   `json:"fenced,omitempty"`
	Address string `json:"address"`
	Version string `json:"version"`
}

type setReport struct {
	Kind      string `json:"kind"` // petset or statefulset
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Wanted    int32  `json:"wanted"`
	Ready     int32  `json:"ready"`
	// WaitsFor says what a PetSet still waits for; empty when it is done.
	WaitsFor string `json:"waitsFor,omitempty"`
	// Stuck says what somebody has to do something about.
	Stuck string      `json:"stuck,omitempty"`
	Pets  []petReport `json:"pets"`
}

type petReport struct {
	Ordinal int    `json:"ordinal"`
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	State   string `json:"state"`
	Node    string `json:"node"`
	Volume  string `json:"volume"`
	DNSName string `json:"dnsName"` // empty when the set names no Service
}

type podCounts struct {
	Running int `json:"running"`
	Ready   int `json:"ready"`
}

// describe turns what was observed into what a person wants to know.
func describe(observed observation) report {
	r := report{Engine: observed.engine, Server: observed.server, Failovers: failovers(observed.story, observed.pods), Problems: problems(observed), now: observed.now}
	for _, node := range observed.nodes {
		r.Nodes = append(r.Nodes, describeNode(node))
	}
	for _, set := range observed.sets {
		r.Sets = append(r.Sets, describeSet(set, observed))
	}
	for _, pod := range observed.pods {
		if observed.server == "" && drain.IsPet(pod) {
			continue
		}
		if pod.Status.Phase == corev1.PodRunning {
			r.Pods.Running++
			if podReady(pod) {
				r.Pods.Ready++
			}
		}
	}
	return r
}

func describeNode(node corev1.Node) nodeReport {
	r := nodeReport{Name: node.Name, Version: node.Status.NodeInfo.KubeletVersion, Fenced: nodeCondition(node, v1alpha1.NodeFenced) != nil}
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			r.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	for _, address := range node.Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			r.Address = address.Address
		}
	}
	return r
}

// state in a word. A fenced node may have been Ready when it was last heard of.
func (r nodeReport) state() string {
	switch {
	case r.Fenced:
		return "fenced"
	case r.Ready:
		return "Ready"
	}
	return "not Ready"
}

func describeSet(set *v1alpha1.PetSet, observed observation) setReport {
	r := setReport{
		Kind: strings.ToLower(set.Kind), Namespace: set.Namespace, Name: set.Name,
		Ready: set.Status.ReadyReplicas, Wanted: wantedReplicas(set.Spec.Replicas),
		WaitsFor: whatHolds(set, v1alpha1.ConditionProgressing), Stuck: whatHolds(set, v1alpha1.ConditionStuck),
	}
	for _, pod := range observed.pods {
		if metav1.IsControlledBy(&pod, set) {
			r.Pets = append(r.Pets, describePet(set, pod, observed.claims))
		}
	}
	slices.SortFunc(r.Pets, func(a, b petReport) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return r
}

// whatHolds is the message of a condition that is True.
func whatHolds(set *v1alpha1.PetSet, condition string) string {
	if found := meta.FindStatusCondition(set.Status.Conditions, condition); found != nil && found.Status == metav1.ConditionTrue {
		return found.Message
	}
	return ""
}

func describePet(set *v1alpha1.PetSet, pod corev1.Pod, claims []corev1.PersistentVolumeClaim) petReport {
	ordinal, _ := strconv.Atoi(pod.Labels[appsv1.PodIndexLabel])
	r := petReport{
		Ordinal: ordinal, Name: pod.Name, Ready: podReady(pod), State: podState(pod), Node: pod.Spec.NodeName,
	}
	if set.Spec.ServiceName != "" {
		r.DNSName = fmt.Sprintf("%s.%s.%s.svc.%s", pod.Name, set.Spec.ServiceName, pod.Namespace, engine.ClusterDomain)
	}
	for _, volume := range pod.Spec.Volumes {
		if volume.PersistentVolumeClaim == nil {
			continue
		}
		for _, claim := range claims {
			if claim.Namespace == pod.Namespace && claim.Name == volume.PersistentVolumeClaim.ClaimName {
				r.Volume = joinWords(r.Volume, describeClaim(claim))
			}
		}
	}
	return r
}

func describeClaim(claim corev1.PersistentVolumeClaim) string {
	size := claim.Status.Capacity[corev1.ResourceStorage]
	if claim.Status.Phase != corev1.ClaimBound {
		return claim.Name + " (" + string(claim.Status.Phase) + ")"
	}
	return claim.Name + " " + size.String()
}

func joinWords(a, b string) string {
	if a == "" {
		return b
	}
	return a + ", " + b
}

func podReady(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// podState says in a word or two what a pod is doing.
func podState(pod corev1.Pod) string {
	if pod.DeletionTimestamp != nil {
		return "Terminating"
	}
	if reason, _ := waitingFor(pod); reason != "" {
		return reason
	}
	if pod.Status.Phase == corev1.PodRunning && !podReady(pod) {
		return "Not ready"
	}
	return string(pod.Status.Phase)
}

// waitingFor returns why a container of the pod does not run, as kubelet says it.
func waitingFor(pod corev1.Pod) (reason, message string) {
	for _, status := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if waiting := status.State.Waiting; waiting != nil && waiting.Reason != "PodInitializing" {
			return waiting.Reason, waiting.Message
		}
	}
	return "", ""
}
