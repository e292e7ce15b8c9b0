package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine"
)

func newStatus(o *options) *cobra.Command {
	var output string
	command := &cobra.Command{
		Use:   "status",
		Short: "What runs, and what is wrong and why",
		Long: `Show the engine, its node, each set with its pets, how pets of lost nodes were started
elsewhere within the last hour, and what is wrong and why.
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
	// server is where the rest of the cluster can be seen, on a machine that has joined:
	// a node is shown itself and its pods.
	server string
	// serverTrouble is why the server could not be asked; empty when it was.
	serverTrouble string
	nodes         []corev1.Node
	// sets of either kind: a StatefulSet has no field that a PetSet has not.
	sets   []*v1alpha1.PetSet
	pods   []corev1.Pod
	claims []corev1.PersistentVolumeClaim
	events []corev1.Event
	// story is of the failovers of the last hour.
	story []corev1.Event
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
	choices, err := engine.RememberedChoices(o.dataDir)
	if err != nil {
		return observed, err
	}
	if choices.Joined() {
		observed.server = choices.Server
		if err := observed.readNode(ctx, o.dataDir); err != nil {
			observed.serverTrouble = err.Error()
		}
		return observed, nil
	}
	client, err := o.client()
	if err != nil {
		return observed, err
	}
	if err := observed.read(ctx, client); err != nil {
		return observed, err
	}
	observed.story, err = readStory(ctx, client)
	return observed, err
}

// readNode asks as the node itself.
func (observed *observation) readNode(ctx context.Context, dataDir string) error {
	client, name, err := engine.NodeClient(dataDir)
	if err != nil {
		return err
	}
	node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("ask the server at %s for this node: %w", observed.server, err)
	}
	pods, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{FieldSelector: "spec.nodeName=" + name})
	if err != nil {
		return err
	}
	observed.nodes, observed.pods = []corev1.Node{*node}, pods.Items
	return nil
}

// clients of the engine's own cluster.
type clients struct {
	kubernetes.Interface
	objects dynamic.Interface
}

func (o *options) client() (clients, error) {
	file, err := o.kubeconfig()
	if err != nil {
		return clients{}, err
	}
	access, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		return clients{}, err
	}
	access.QPS = -1 // a handful of requests; no reason to wait between them
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return clients{}, err
	}
	objects, err := dynamic.NewForConfig(access)
	return clients{client, objects}, err
}

func (observed *observation) read(ctx context.Context, client clients) error {
	all := metav1.ListOptions{}
	nodes, err := client.CoreV1().Nodes().List(ctx, all)
	if err != nil {
		return err
	}
	if observed.sets, err = listSets(ctx, client.objects); err != nil {
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
	observed.nodes, observed.pods = nodes.Items, pods.Items
	observed.claims, observed.events = claims.Items, events.Items
	return nil
}

func listSets(ctx context.Context, objects dynamic.Interface) (sets []*v1alpha1.PetSet, err error) {
	for _, kind := range []setKind{petSetKind, statefulSetKind} {
		list, err := objects.Resource(kind.resource).List(ctx, metav1.ListOptions{})
		if apierrors.IsNotFound(err) {
			continue // the kind itself is not there: the engine is just starting
		}
		if err != nil {
			return nil, err
		}
		for i := range list.Items {
			set, err := toPetSet(&list.Items[i])
			if err != nil {
				return nil, err
			}
			sets = append(sets, set)
		}
	}
	return sets, nil
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
			return fmt.Sprintf("waiting for %s %s/%s: %d of %d Ready", described.Kind, set.Namespace, set.Name, ready, described.Wanted)
		}
	}
	return ""
}
