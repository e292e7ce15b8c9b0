package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// failover is the story of a node that was lost, and of its pets.
type failover struct {
	Node  string         `json:"node"`
	Began time.Time      `json:"began"`
	Steps []failoverStep `json:"steps"`
	// Others is of how many more pods the steps are left out.
	Others int `json:"otherPods,omitempty"`

	fenced bool
	pods   []string
}

type failoverStep struct {
	Seconds float64 `json:"seconds"` // since it began
	What    string  `json:"what"`
}

// toldPods is of how many pods a story tells.
const toldPods = 5

// readStory reads what the judge has told, and when the scheduler placed pods. Events
// are kept for an hour.
func readStory(ctx context.Context, client kubernetes.Interface) ([]corev1.Event, error) {
	told, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "reportingComponent=" + v1alpha1.FenceReporter})
	if err != nil || !slices.ContainsFunc(told.Items, func(e corev1.Event) bool { return e.Reason == v1alpha1.EventFailedOver }) {
		return nil, err
	}
	placed, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "reason=Scheduled"})
	if err != nil {
		return nil, err
	}
	return append(told.Items, placed.Items...), nil
}

// failovers puts events in order: for each lost node from which pods were taken, what
// happened to them. pods are those that are there now.
func failovers(events []corev1.Event, pods []corev1.Pod) []*failover {
	n := narrator{pods: pods, claims: map[string]string{}, ofNode: map[string]*failover{}, ofPod: map[string]*failover{}, scheduled: map[string]corev1.Event{}}
	for _, pod := range pods {
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil {
				n.claims[pod.Namespace+"/"+v.PersistentVolumeClaim.ClaimName] = pod.Namespace + "/" + pod.Name
			}
		}
	}
	for _, e := range slices.SortedFunc(slices.Values(events), func(a, b corev1.Event) int { return eventTime(a).Compare(eventTime(b)) }) {
		if e.InvolvedObject.Kind == "Node" {
			n.hearOfNode(e)
		} else {
			n.hear(e)
		}
	}
	return slices.DeleteFunc(n.all, func(f *failover) bool { return len(f.pods) == 0 })
}

// narrator hears events in their order.
type narrator struct {
	pods []corev1.Pod
	// claims has the pod of each claim.
	claims map[string]string
	// ofNode are the failovers that are not over, ofPod the last of each pod.
	ofNode, ofPod map[string]*failover
	// scheduled are pods of which is not known (yet) whom they replace: the event that
	// tells that may bear a later time.
	scheduled map[string]corev1.Event
	all       []*failover
}

func (n *narrator) begin(node string, e corev1.Event) *failover {
	n.ofNode[node] = &failover{Node: node, Began: eventTime(e)}
	n.all = append(n.all, n.ofNode[node])
	return n.ofNode[node]
}

func (n *narrator) hearOfNode(e corev1.Event) {
	node := e.InvolvedObject.Name
	switch e.Reason {
	case v1alpha1.EventLeaseLost:
		n.begin(node, e).add(e, "", "lease lost: "+e.Message)
	case v1alpha1.EventFenced:
		of := n.ofNode[node]
		if of == nil || of.fenced {
			of = n.begin(node, e)
		}
		of.fenced = true
		of.add(e, "", "fenced: "+e.Message)
	case v1alpha1.EventLeaseAcquired:
		delete(n.ofNode, node)
	}
}

func (n *narrator) hear(e corev1.Event) {
	about := e.InvolvedObject.Namespace + "/" + e.InvolvedObject.Name
	switch {
	case e.Reason == v1alpha1.EventFailedOver && e.InvolvedObject.Kind == "Pod" && e.Related != nil:
		of := n.ofNode[e.Related.Name]
		if of == nil {
			of = n.begin(e.Related.Name, e)
		}
		n.ofPod[about] = of
		of.add(e, about, "pod "+about+" taken from the node")
		if s := n.scheduled[about]; s.InvolvedObject.UID != e.InvolvedObject.UID && eventTime(s).After(of.Began) {
			of.add(s, about, "pod "+about+" scheduled"+placeOf(s, n.pods))
		}
	case e.Reason == v1alpha1.EventVolumeReleased:
		pod := n.claims[about]
		n.ofPod[pod].add(e, pod, "volume of claim "+about+" released")
	case e.Reason == "Scheduled":
		n.scheduled[about] = e
		n.ofPod[about].add(e, about, "pod "+about+" scheduled"+placeOf(e, n.pods))
	case e.Reason == v1alpha1.EventRecovered:
		n.ofPod[about].add(e, about, "pod "+about+" ready"+placeOf(e, n.pods))
		delete(n.ofPod, about)
	}
}

// add has a step follow, of a pod or of the node.
func (f *failover) add(e corev1.Event, pod, what string) {
	if f == nil {
		return // of a pod that was not taken, or so long ago that the event is gone
	}
	if pod != "" && !slices.Contains(f.pods, pod) {
		f.pods = append(f.pods, pod)
		f.Others = max(0, len(f.pods)-toldPods)
	}
	if pod == "" || slices.Index(f.pods, pod) < toldPods {
		f.Steps = append(f.Steps, failoverStep{eventTime(e).Sub(f.Began).Seconds(), what})
	}
}

// placeOf says where the pod of an event is, if it is still that pod.
func placeOf(e corev1.Event, pods []corev1.Pod) string {
	i := slices.IndexFunc(pods, func(pod corev1.Pod) bool { return pod.UID == e.InvolvedObject.UID })
	if i < 0 || pods[i].Spec.NodeName == "" {
		return ""
	}
	return " on node " + pods[i].Spec.NodeName
}

// eventTime is the finest that the event has.
func eventTime(e corev1.Event) time.Time {
	return cmp.Or(e.EventTime.Time, e.FirstTimestamp.Time)
}

func printFailovers(out io.Writer, all []*failover, now time.Time) {
	for _, f := range all {
		fmt.Fprintf(out, "\nfailover from node %s, %s (%s ago)\n", f.Node, f.Began.Format("2006-01-02 15:04:05"), duration.HumanDuration(now.Sub(f.Began)))
		for _, step := range f.Steps {
			fmt.Fprintf(out, "  %6.1f s   %s\n", step.Seconds, step.What)
		}
		if f.Others > 0 {
			fmt.Fprintf(out, "  and %d more pods: mainstay kubectl get events -A --field-selector reportingComponent=%s\n", f.Others, v1alpha1.FenceReporter)
		}
	}
}
