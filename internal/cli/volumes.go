package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	statsv1alpha1 "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
)

func newVolumes(o *options) *cobra.Command {
	cluster := newCluster(o)
	all, output := false, ""
	command := &cobra.Command{
		Use:   "volumes",
		Short: "The volumes of claims: how full they are, who uses them, what they are promised and what they do",
		Long: `The volumes of claims: how full they are, who uses them, what they are promised and
what they do. That is as of the last half minute. P99 is what 99 of 100 requests took at
most, an estimate: the kernel tells sums, so those that ended in the same tenth of a
second count as equally long.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "wide" {
				return fmt.Errorf("--output %s: there is wide, and nothing, which is narrower", output)
			}
			if err := cluster.reach(); err != nil {
				return err
			}
			access, err := cluster.factory.ToRESTConfig()
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(access)
			if err != nil {
				return err
			}
			objects, err := dynamic.NewForConfig(access)
			if err != nil {
				return err
			}
			namespace, given, err := cluster.namespace()
			if err != nil {
				return err
			}
			if all || !given {
				namespace = ""
			}
			volumes, err := readVolumes(command.Context(), clients{client, objects}, namespace)
			if err != nil {
				return explain(err)
			}
			return printVolumes(o.out, volumes, output == "wide")
		},
	}
	cluster.addFlags(command.Flags())
	command.Flags().BoolVarP(&all, "all-namespaces", "A", false, "those of all namespaces, which is so unless --namespace is given")
	command.Flags().StringVarP(&output, "output", "o", "", "wide: also say what volumes are held to, and their nodes")
	return command
}

// claimVolume is a claim with what is known of its volume.
type claimVolume struct {
	claim *corev1.PersistentVolumeClaim
	// pods that use it, on their nodes.
	pods []string
	node string
	// usage as kubelet sees it; nil while no pod uses the volume.
	usage *statsv1alpha1.VolumeStats
	// pool is what the node's pool says; nil for volumes of other drivers. poolName
	// is its name.
	pool     *v1alpha1.PoolVolume
	poolName string
}

// readVolumes asks the cluster, and the kubelets for how full volumes are. What a
// kubelet does not tell, or nobody may ask it for, is left out.
func readVolumes(ctx context.Context, client clients, namespace string) ([]claimVolume, error) {
	claims, err := client.CoreV1().PersistentVolumeClaims(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	pods, err := client.CoreV1().Pods(namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, err
	}
	pooled := readPools(ctx, client.objects)
	usage := map[string]*statsv1alpha1.VolumeStats{}
	nodes := map[string]bool{}
	for _, pod := range pods.Items {
		if node := pod.Spec.NodeName; node != "" && !nodes[node] {
			nodes[node] = true
			readUsage(ctx, client, node, usage)
		}
	}
	volumes := make([]claimVolume, 0, len(claims.Items))
	for i := range claims.Items {
		claim := &claims.Items[i]
		key := claim.Namespace + "/" + claim.Name
		in := pooled[claim.Spec.VolumeName]
		v := claimVolume{claim: claim, usage: usage[key], pool: in.volume, poolName: in.pool}
		for _, pod := range pods.Items {
			if pod.Namespace == claim.Namespace && uses(pod, claim.Name) {
				v.pods, v.node = append(v.pods, pod.Name), pod.Spec.NodeName
			}
		}
		volumes = append(volumes, v)
	}
	return volumes, nil
}

// pooledVolume is a volume of the pool of that name.
type pooledVolume struct {
	pool   string
	volume *v1alpha1.PoolVolume
}

// readPools gives what pools say of their volumes, by their names.
func readPools(ctx context.Context, objects dynamic.Interface) map[string]pooledVolume {
	volumes := map[string]pooledVolume{}
	list, err := objects.Resource(v1alpha1.GroupVersion.WithResource("pools")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return volumes // a Kubernetes that has no pools, or does not show them
	}
	for _, item := range list.Items {
		text, err := item.MarshalJSON()
		var pool v1alpha1.Pool
		if errors.Join(err, json.Unmarshal(text, &pool)) != nil {
			continue // of another version
		}
		for i := range pool.Status.Volumes {
			volumes[pool.Status.Volumes[i].Name] = pooledVolume{pool.Spec.Name, &pool.Status.Volumes[i]}
		}
	}
	return volumes
}

func readUsage(ctx context.Context, client kubernetes.Interface, node string, into map[string]*statsv1alpha1.VolumeStats) {
	text, err := client.CoreV1().RESTClient().Get().AbsPath("/api/v1/nodes", node, "proxy/stats/summary").DoRaw(ctx)
	var summary statsv1alpha1.Summary
	if errors.Join(err, json.Unmarshal(text, &summary)) != nil {
		return
	}
	for _, pod := range summary.Pods {
		for i := range pod.VolumeStats {
			if ref := pod.VolumeStats[i].PVCRef; ref != nil {
				into[ref.Namespace+"/"+ref.Name] = &pod.VolumeStats[i]
			}
		}
	}
}

func uses(pod corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim
	})
}

func printVolumes(out io.Writer, volumes []claimVolume, wide bool) error {
	if len(volumes) == 0 {
		_, err := fmt.Fprintln(out, "There are no claims.")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	head := []string{"NAMESPACE", "CLAIM", "STATE", "SIZE", "USED", "", "PROMISED", "ACHIEVED", "P99", "USED BY"}
	if wide {
		head = append(head, "AT MOST", "NODE")
	}
	severalPools := slices.ContainsFunc(volumes, func(v claimVolume) bool { return v.poolName != "" && v.poolName != engine.DefaultPool })
	if severalPools {
		head = append(head, "POOL")
	}
	fmt.Fprintln(table, strings.Join(head, "\t"))
	for _, v := range volumes {
		size, has := v.claim.Status.Capacity[corev1.ResourceStorage]
		if !has {
			size = v.claim.Spec.Resources.Requests[corev1.ResourceStorage]
		}
		bar, used := v.used()
		promised, atMost := v.quality()
		achieved, p99 := v.achieved()
		row := []string{
			v.claim.Namespace, v.claim.Name, v.state(), size.String(), bar, used,
			promised, achieved, p99, orDash(strings.Join(v.pods, ",")),
		}
		if wide {
			row = append(row, atMost, orDash(v.node))
		}
		if severalPools {
			row = append(row, orDash(v.poolName))
		}
		fmt.Fprintln(table, strings.Join(row, "\t"))
	}
	return table.Flush()
}

const barWidth = 10

// used shows how full the volume is. Inodes count if more of them are used than
// of the bytes: a volume without any is as full as one without bytes.
func (v claimVolume) used() (bar, text string) {
	if v.usage == nil || ptr.Deref(v.usage.CapacityBytes, 0) == 0 {
		return strings.Repeat("·", barWidth), "-"
	}
	part := float64(ptr.Deref(v.usage.UsedBytes, 0)) / float64(*v.usage.CapacityBytes)
	text = fmt.Sprintf("%.0f %%", 100*part)
	if inodes := ptr.Deref(v.usage.Inodes, 0); inodes > 0 {
		if used := float64(ptr.Deref(v.usage.InodesUsed, 0)) / float64(inodes); used > part {
			part, text = used, fmt.Sprintf("%.0f %% of inodes", 100*used)
		}
	}
	full := min(int(part*barWidth+0.5), barWidth)
	return strings.Repeat("█", full) + strings.Repeat("·", barWidth-full), text
}

func (v claimVolume) quality() (promised, atMost string) {
	if v.pool == nil {
		return "-", "-"
	}
	return rates(v.pool.MinIOPS, v.pool.MinThroughput), rates(v.pool.MaxIOPS, v.pool.MaxThroughput)
}

// achieved is what the volume does, and what its requests take.
func (v claimVolume) achieved() (rate, p99 string) {
	if v.pool == nil || v.pool.Achieved == nil {
		return "-", "-"
	}
	a := v.pool.Achieved
	rate, p99 = "idle", "-"
	if a.IOPS > 0 {
		rate = rates(a.IOPS, &a.Throughput)
	}
	if v.breached() {
		rate += " (less than promised)"
	}
	if a.P99 != nil {
		p99 = a.P99.Duration.String()
	}
	return rate, p99
}

// breached: the volume asks for what it was promised, and does not get it.
func (v claimVolume) breached() bool { return v.holds(v1alpha1.PerformanceBreached) }

// state is the claim's phase, unless something is wrong with its volume.
func (v claimVolume) state() string {
	if v.holds(v1alpha1.VolumeAbnormal) {
		return "Abnormal"
	}
	return string(v.claim.Status.Phase)
}

func (v claimVolume) holds(condition corev1.PersistentVolumeClaimConditionType) bool {
	return slices.ContainsFunc(v.claim.Status.Conditions, func(c corev1.PersistentVolumeClaimCondition) bool {
		return c.Type == condition && c.Status == corev1.ConditionTrue
	})
}

func rates(iops int64, throughput *resource.Quantity) string {
	var parts []string
	if iops > 0 {
		parts = append(parts, fmt.Sprintf("%d IOPS", iops))
	}
	if throughput != nil {
		parts = append(parts, throughput.String()+"/s")
	}
	return orDash(strings.Join(parts, ", "))
}
