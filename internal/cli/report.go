package cli

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// report is what `mainstay status` shows; its JSON form is for programs.
type report struct {
	Engine   engine.State `json:"engine"`
	Nodes    []nodeReport `json:"nodes"`
	Sets     []setReport  `json:"sets"`
	Pods     podCounts    `json:"otherPods"`
	Problems []string     `json:"problems"`
}

type nodeReport struct {
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	Address string `json:"address"`
	Version string `json:"version"`
}

type setReport struct {
	Namespace string      `json:"namespace"`
	Name      string      `json:"name"`
	Wanted    int32       `json:"wanted"`
	Ready     int32       `json:"ready"`
	Pets      []petReport `json:"pets"`
}

type petReport struct {
	Ordinal int    `json:"ordinal"`
	Name    string `json:"name"`
	Ready   bool   `json:"ready"`
	State   string `json:"state"`
	Node    string `json:"node"`
	Volume  string `json:"volume"`
	DNSName string `json:"dnsName"`
}

type podCounts struct {
	Running int `json:"running"`
	Ready   int `json:"ready"`
}

// describe turns what was observed into what a person wants to know.
func describe(observed observation) report {
	r := report{Engine: observed.engine, Problems: problems(observed)}
	for _, node := range observed.nodes {
		r.Nodes = append(r.Nodes, describeNode(node))
	}
	for _, set := range observed.sets {
		r.Sets = append(r.Sets, describeSet(set, observed))
	}
	for _, pod := range observed.pods {
		if owner := metav1.GetControllerOf(&pod); owner != nil && owner.Kind == "StatefulSet" {
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
	r := nodeReport{Name: node.Name, Version: node.Status.NodeInfo.KubeletVersion}
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

func describeSet(set appsv1.StatefulSet, observed observation) setReport {
	r := setReport{Namespace: set.Namespace, Name: set.Name, Ready: set.Status.ReadyReplicas, Wanted: 1}
	if set.Spec.Replicas != nil {
		r.Wanted = *set.Spec.Replicas
	}
	for _, pod := range observed.pods {
		if metav1.IsControlledBy(&pod, &set) {
			r.Pets = append(r.Pets, describePet(set, pod, observed.claims))
		}
	}
	slices.SortFunc(r.Pets, func(a, b petReport) int { return cmp.Compare(a.Ordinal, b.Ordinal) })
	return r
}

func describePet(set appsv1.StatefulSet, pod corev1.Pod, claims []corev1.PersistentVolumeClaim) petReport {
	ordinal, _ := strconv.Atoi(pod.Labels[appsv1.PodIndexLabel])
	r := petReport{
		Ordinal: ordinal, Name: pod.Name, Ready: podReady(pod), State: podState(pod), Node: pod.Spec.NodeName,
		DNSName: fmt.Sprintf("%s.%s.%s.svc.%s", pod.Name, set.Spec.ServiceName, pod.Namespace, engine.ClusterDomain),
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
