package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
)

func newNodes(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "nodes",
		Short: "Show the machines of the cluster",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			client, err := o.client()
			if err != nil {
				return err
			}
			rows, err := listNodes(command.Context(), client, time.Now())
			if err != nil {
				return explain(err)
			}
			return printNodes(o.out, rows)
		},
	}
}

// nodeRow is a machine in the table, in the order of its columns.
type nodeRow struct {
	name, role, state, version, address, pods, pools, age string
	// fence is what stands under the table: why the node is fenced, or is not.
	fence string
}

func listNodes(ctx context.Context, client clients, now time.Time) ([]nodeRow, error) {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	pools, err := client.objects.Resource(v1alpha1.GroupVersion.WithResource("pools")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	return nodeRows(nodes.Items, pods.Items, pools.Items, now), nil
}

// nodeRows puts the servers first, the others by their names.
func nodeRows(nodes []corev1.Node, pods []corev1.Pod, pools []unstructured.Unstructured, now time.Time) (rows []nodeRow) {
	for _, node := range nodes {
		described := describeNode(node)
		rows = append(rows, nodeRow{
			name: node.Name, role: roleOf(node), state: nodeState(node), version: described.Version, address: described.Address,
			pods: fmt.Sprint(podsOn(node.Name, pods)), pools: poolsOn(node.Name, pools),
			age: duration.HumanDuration(now.Sub(node.CreationTimestamp.Time)), fence: fenceTrouble(node, now),
		})
	}
	slices.SortFunc(rows, func(a, b nodeRow) int { return cmp.Or(-cmp.Compare(a.role, b.role), cmp.Compare(a.name, b.name)) })
	return rows
}

func roleOf(node corev1.Node) string {
	if engine.IsServer(&node) {
		return "server"
	}
	return "node"
}

func nodeState(node corev1.Node) string {
	state := describeNode(node).state()
	if node.Spec.Unschedulable {
		state += ", takes no pods"
	}
	return state
}

// nodeCondition gives a condition that is true.
func nodeCondition(node corev1.Node, kind corev1.NodeConditionType) *corev1.NodeCondition {
	for i, condition := range node.Status.Conditions {
		if condition.Type == kind && condition.Status == corev1.ConditionTrue {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

// fenceTrouble says why a node is fenced, or why it is not though it seems lost.
func fenceTrouble(node corev1.Node, now time.Time) string {
	if fenced := nodeCondition(node, v1alpha1.NodeFenced); fenced != nil {
		return fmt.Sprintf("node %s has been fenced for %s, and its pets may run elsewhere: %s",
			node.Name, duration.HumanDuration(now.Sub(fenced.LastTransitionTime.Time)), fenced.Message)
	}
	if held := nodeCondition(node, v1alpha1.NodeFenceHeld); held != nil {
		return fmt.Sprintf("node %s seems lost, and is not fenced: %s", node.Name, held.Message)
	}
	return ""
}

// podsOn counts the pods that have not ended.
func podsOn(node string, pods []corev1.Pod) (count int) {
	for _, pod := range pods {
		if pod.Spec.NodeName == node && pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed {
			count++
		}
	}
	return count
}

func poolsOn(node string, pools []unstructured.Unstructured) string {
	var names []string
	for _, pool := range pools {
		if on, _, _ := unstructured.NestedString(pool.Object, "spec", "nodeName"); on == node {
			name, _, _ := unstructured.NestedString(pool.Object, "spec", "name")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func printNodes(out io.Writer, rows []nodeRow) error {
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "NAME\tROLE\tSTATE\tVERSION\tADDRESS\tPODS\tPOOLS\tAGE")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.name, r.role, r.state, orDash(r.version), orDash(r.address), r.pods, orDash(r.pools), r.age)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.fence != "" {
			fmt.Fprintf(out, "\n%s\n", r.fence)
		}
	}
	return nil
}
