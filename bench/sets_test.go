package bench

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"testing"
	"text/tabwriter"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/test/apiserver"
)

// setsMeasured are made and scaled to none with each controller.
var setsMeasured = []struct {
	pets  int
	order appsv1.PodManagementPolicyType
}{
	{100, appsv1.ParallelPodManagement},
	{1000, appsv1.ParallelPodManagement},
	{5000, appsv1.ParallelPodManagement},
	{100, appsv1.OrderedReadyPodManagement},
	{1000, appsv1.OrderedReadyPodManagement},
	{5000, appsv1.OrderedReadyPodManagement}, // half an hour, of which upstream's controller takes most
}

// setRun is what one set took, on its way up or down.
type setRun struct {
	pets    int
	order   appsv1.PodManagementPolicyType
	up      bool
	seconds float64
	used    used
}

// BenchmarkSets measures the set controllers alone, ours and upstream's in turn,
// on one API server with simulated nodes.
func BenchmarkSets(b *testing.B) {
	config := apiserver.Start(silent{b})
	simulateNodes(b, config)
	before := busyShare(b, 3*time.Second)
	ours := measureSets(b, config, false)
	upstreams := measureSets(b, config, true)
	after := busyShare(b, 3*time.Second)

	fmt.Printf("\n%s\nother work took %.0f %% of the processor just before, %.0f %% just after\n\n", describeMachine(b), 100*before, 100*after)
	printRows(b, os.Stdout, processorRows(ours, upstreams))
	fmt.Printf("\nAt what speed, and with how many writes. The floor is one a pet, which makes it or deletes it; above it are what\n" +
		"tells of it: statuses, each of as many pets as have changed meanwhile, and the first 25 events of a set.\n\n")
	printSetRuns(b, os.Stdout, ours, upstreams)
	fmt.Println()
	b.ReportMetric(0, "ns/op")
}

func measureSets(b *testing.B, config *rest.Config, upstream bool) (runs []setRun) {
	b.Helper()
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		b.Fatal(err)
	}
	process := startControllerProcess(b, config, upstream)
	defer process.finish()
	measureSet(b, client, process, 100, appsv1.ParallelPodManagement) // what is done once
	for _, m := range setsMeasured {
		say("%d pets, %s, upstream's controller: %v", m.pets, m.order, upstream)
		runs = append(runs, measureSet(b, client, process, m.pets, m.order)...)
	}
	return runs
}

// measureSet makes a set and scales it to none.
func measureSet(b *testing.B, client kubernetes.Interface, process controllerProcess, pets int, order appsv1.PodManagementPolicyType) []setRun {
	b.Helper()
	sets := client.AppsV1().StatefulSets(namespace)
	set := simulatedSet(order)
	if _, err := sets.Create(b.Context(), set, metav1.CreateOptions{}); err != nil {
		b.Fatal(err)
	}
	awaitPets(b, client, set.Name, 0)
	var runs []setRun
	for _, up := range []bool{true, false} {
		wanted := 0
		if up {
			wanted = pets
		}
		before, begun := process.ask(), time.Now()
		patch := fmt.Appendf(nil, `{"spec":{"replicas":%d}}`, wanted)
		if _, err := sets.Patch(b.Context(), set.Name, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
			b.Fatal(err)
		}
		awaitPets(b, client, set.Name, int32(wanted))
		took := time.Since(begun).Seconds()
		time.Sleep(time.Second) // what it does afterwards counts, too
		runs = append(runs, setRun{pets, order, up, took, process.ask().since(before)})
	}
	if err := sets.Delete(b.Context(), set.Name, metav1.DeleteOptions{}); err != nil {
		b.Fatal(err)
	}
	return runs
}

// simulatedSet has no pets yet.
func simulatedSet(order appsv1.PodManagementPolicyType) *appsv1.StatefulSet {
	name := fmt.Sprint("set-", time.Now().UnixNano())
	labels := map[string]string{"app": name}
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: appsv1.StatefulSetSpec{
			Replicas:            new(int32),
			PodManagementPolicy: order,
			Selector:            &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}
}

// patience with the largest set, on a machine that has other things to do.
const patience = 30 * time.Minute

// awaitPets returns when the set's status says that it has so many, all ready.
func awaitPets(b *testing.B, client kubernetes.Interface, name string, wanted int32) {
	b.Helper()
	var status appsv1.StatefulSetStatus
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		set, err := client.AppsV1().StatefulSets(namespace).Get(b.Context(), name, metav1.GetOptions{})
		if err != nil {
			b.Fatal(err)
		}
		status = set.Status
		if status.ObservedGeneration == set.Generation && status.Replicas == wanted && status.ReadyReplicas == wanted {
			return
		}
	}
	b.Fatalf("there are not %d pets after %v, the status is %+v", wanted, patience, status)
}

func (u used) since(before used) used {
	out := used{u.Processor - before.Processor, map[string]int{}}
	for what, n := range u.Writes {
		if n -= before.Writes[what]; n > 0 {
			out.Writes[what] = n
		}
	}
	return out
}

func (u used) writes() (all int) {
	for _, n := range u.Writes {
		all += n
	}
	return all
}

const preciseMilliseconds unit = "%.2f ms"

func (r setRun) petsPerSecond() float64 { return float64(r.pets) / r.seconds }
func (r setRun) processor() float64     { return r.used.Processor * 1000 / float64(r.pets) }
func (r setRun) writes() float64        { return float64(r.used.writes()) / float64(r.pets) }

func (r setRun) name() string {
	direction := "up"
	if !r.up {
		direction = "down"
	}
	return fmt.Sprintf("%d pets, %s, %s", r.pets, r.order, direction)
}

// processorRows hold the controller's processor time a pet against upstream's,
// and that of the largest sets against that of the smallest.
func processorRows(ours, upstreams []setRun) (rows []row) {
	for i, r := range ours {
		limit := goal{}
		if r.pets == 5000 {
			limit = goal{limit: 0.5, ratio: true}
		}
		rows = append(rows, row{r.name() + ", CPU per pet", preciseMilliseconds, sample{r.processor()},
			"upstream's controller", sample{upstreams[i].processor()}, true, limit})
	}
	for _, large := range ours {
		for _, small := range ours {
			if large.pets == 5000 && small.pets == 100 && large.order == small.order && large.up == small.up {
				rows = append(rows, row{large.name() + ", CPU per pet", preciseMilliseconds, sample{large.processor()},
					small.name(), sample{small.processor()}, true, goal{limit: 1.2, ratio: true}})
			}
		}
	}
	return rows
}

func printSetRuns(b *testing.B, out io.Writer, ours, upstreams []setRun) {
	b.Helper()
	table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "PETS\tPETS/S\tUPSTREAM'S\tWRITES PER PET\tUPSTREAM'S\tOURS WERE")
	for i, o := range ours {
		u := upstreams[i]
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%.2f\t%.2f\t%s\n", o.name(),
			o.petsPerSecond(), u.petsPerSecond(), o.writes(), u.writes(), o.used.describe())
	}
	if err := table.Flush(); err != nil {
		b.Fatal(err)
	}
}

func (u used) describe() (text string) {
	for i, what := range slices.Sorted(maps.Keys(u.Writes)) {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", u.Writes[what], what)
	}
	return text
}
