package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newStatus(o *options) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "status",
		Short: "What runs, and what is wrong and why",
		Long: `Show the engine, its node, each set with its pets, and what is wrong and why.
Ends with status 1 when Mainstay does not run.`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if output != "" && output != "json" {
				return fmt.Errorf("-o %s: this knows only json", output)
			}
			observed, err := o.observe(command.Context())
			if err != nil {
				return err
			}
			report := describe(observed)
			if output == "json" {
				encoder := json.NewEncoder(o.out)
				encoder.SetIndent("", "  ")
				return encoder.Encode(report)
			}
			return report.print(o.out)
		},
	}
	command.Flags().StringVarP(&output, "output", "o", "", "json: for programs")
	return command
}

// observation is what the status is made of, as the engine and the API tell it.
type observation struct {
	engine engine.State
	now    time.Time
	nodes  []corev1.Node
	sets   []appsv1.StatefulSet
	pods   []corev1.Pod
	claims []corev1.PersistentVolumeClaim
	events []corev1.Event
}

func (o *options) observe(ctx context.Context) (observation, error) {
	state, err := engine.NewControl(o.dataDir).State(ctx)
	if err != nil {
		if os.IsPermission(err) || os.Geteuid() != 0 {
			return observation{}, fmt.Errorf("only root may ask the engine on %s: try again with sudo", o.dataDir)
		}
		return observation{}, fmt.Errorf("no engine runs on %s: start it with `mainstay up`", o.dataDir)
	}
	observed := observation{engine: state, now: time.Now()}
	if !state.Ready {
		return observed, nil
	}
	client, err := o.client()
	if err != nil {
		return observed, err
	}
	return observed, observed.read(ctx, client)
}

func (o *options) client() (kubernetes.Interface, error) {
	file, err := o.kubeconfig()
	if err != nil {
		return nil, err
	}
	access, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return nil, err
	}
	access.QPS = -1 // a handful of requests; no reason to wait between them
	return kubernetes.NewForConfig(access)
}

func (observed *observation) read(ctx context.Context, client kubernetes.Interface) error {
	all := metav1.ListOptions{}
	nodes, err := client.CoreV1().Nodes().List(ctx, all)
	if err != nil {
		return err
	}
	sets, err := client.AppsV1().StatefulSets("").List(ctx, all)
	if err != nil {
		return err
	}
	pods, err := client.CoreV1().Pods("").List(ctx, all)
	if err != nil {
		return err
	}
	claims, err := client.CoreV1().PersistentVolumeClaims("").List(ctx, all)
	if err != nil {
		return err
	}
	events, err := client.CoreV1().Events("").List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return err
	}
	observed.nodes, observed.sets, observed.pods = nodes.Items, sets.Items, pods.Items
	observed.claims, observed.events = claims.Items, events.Items
	return nil
}

// waitForPets returns when every pet of every set is Ready.
func (o *options) waitForPets(ctx context.Context, progress *progress) error {
	client, err := o.client()
	if err != nil {
		return err
	}
	for {
		var observed observation
		if err := observed.read(ctx, client); err != nil {
			return err
		}
		waiting := missingPets(observed)
		if waiting == "" {
			return nil
		}
		progress.say(waiting)
		select {
		case <-ctx.Done():
			return fmt.Errorf("interrupted while %s", waiting)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// missingPets names a set that lacks pets, or is empty. It counts the pods
// themselves: the status of a set may be older than the engine.
func missingPets(observed observation) string {
	for _, set := range observed.sets {
		described := describeSet(set, observed)
		ready := 0
		for _, pet := range described.Pets {
			if pet.Ready {
				ready++
			}
		}
		if ready < int(described.Wanted) {
			return fmt.Sprintf("waiting for %s/%s: %d of %d Ready", set.Namespace, set.Name, ready, described.Wanted)
		}
	}
	return ""
}
