package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// setKind is one of the two kinds between which sets go.
type setKind struct {
	kind     schema.GroupVersionKind
	resource schema.GroupVersionResource
}

var (
	statefulSetKind = setKind{appsv1.SchemeGroupVersion.WithKind("StatefulSet"), appsv1.SchemeGroupVersion.WithResource("statefulsets")}
	petSetKind      = setKind{v1alpha1.GroupVersion.WithKind("PetSet"), petSetResource}
)

// word is how the kind is written in commands.
func (k setKind) word() string { return strings.ToLower(k.kind.Kind) }

func newAdopt(o *options) *cobra.Command {
	c := newCluster(o)
	a := adopter{cluster: c}
	command := &cobra.Command{
		Use:   "adopt (statefulset/NAME | petset/NAME)",
		Short: "Turn a running StatefulSet into a PetSet, or back",
		Long: `Turn a running StatefulSet into a PetSet of the same name, or a PetSet into a
StatefulSet. Its pods and claims stay as they are; no pod restarts.

The new set is made first, and does nothing yet. When its controller has said that
it would run the same pods, the old one is deleted without its pods, and the new
one takes them over. Ended at any point, the same command goes on. As long as both
are there, deleting the new one with --cascade=orphan gives it up. Meanwhile neither
deletes its claims with itself (whenDeleted: Delete is set again at the end).

What names the kind of the set must be changed by hand: manifests, and
HorizontalPodAutoscalers.`,
		Example: `  mainstay adopt statefulset/postgres
  mainstay adopt statefulset/postgres --dry-run
  mainstay adopt petset/postgres --drop-features
  mainstay adopt statefulset/postgres --kubeconfig other-cluster.yaml`,
		RunE: func(command *cobra.Command, arguments []string) error {
			return explain(a.adopt(command.Context(), arguments))
		},
	}
	c.addFlags(command.Flags())
	command.Flags().BoolVar(&a.dryRun, "dry-run", false, "check whether it can be done, and change nothing")
	command.Flags().BoolVar(&a.dropFeatures, "drop-features", false, "petset/NAME: give up what a StatefulSet has no field for")
	command.Flags().DurationVar(&a.timeout, "timeout", 2*time.Minute, "how long to wait; what is not done then is done by the same command")
	return command
}

// adopt reads what the user wrote.
func (a *adopter) adopt(ctx context.Context, arguments []string) error {
	kind, name, ok := "", "", len(arguments) == 1
	if ok {
		kind, name, ok = strings.Cut(arguments[0], "/")
	} else if len(arguments) == 2 {
		kind, name, ok = arguments[0], arguments[1], !strings.Contains(arguments[0]+arguments[1], "/")
	}
	if !ok || kind == "" || name == "" {
		return errors.New("which set? Write `mainstay adopt statefulset/NAME` to make it a PetSet, or `mainstay adopt petset/NAME` for the way back")
	}
	if err := a.reach(); err != nil {
		return err
	}
	if err := a.chooseKinds(kind); err != nil {
		return err
	}
	var err error
	if a.objects, err = a.factory.DynamicClient(); err != nil {
		return err
	}
	if a.client, err = a.factory.KubernetesClientSet(); err != nil {
		return err
	}
	namespace, _, err := a.namespace()
	if err != nil {
		return err
	}
	a.view = adoptionView{from: a.view.from, to: a.view.to, namespace: namespace, name: name, dropFeatures: a.dropFeatures}
	return a.run(ctx)
}

// chooseKinds tells from the word for the kind which way it goes. Short names
// and plurals are the API server's to know.
func (a *adopter) chooseKinds(word string) error {
	mapper, err := a.factory.ToRESTMapper()
	if err != nil {
		return err
	}
	if _, err := mapper.ResourceFor(petSetResource); meta.IsNoMatchError(err) {
		return fmt.Errorf("the server doesn't have a resource type %q", petSetResource.Resource)
	}
	_, resource := schema.ParseResourceArg(strings.ToLower(word))
	found, err := mapper.ResourceFor(resource.WithVersion(""))
	switch {
	case err == nil && found == statefulSetKind.resource:
		a.view.from, a.view.to = statefulSetKind, petSetKind
	case err == nil && found == petSetKind.resource:
		a.view.from, a.view.to = petSetKind, statefulSetKind
	case err != nil && !meta.IsNoMatchError(err):
		return err
	default:
		return fmt.Errorf("%q cannot be adopted: write statefulset/NAME or petset/NAME", word)
	}
	return nil
}
