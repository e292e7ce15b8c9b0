package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/dynamic"
	"k8s.io/kubectl/pkg/cmd/rollout"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	"k8s.io/kubectl/pkg/scheme"
)

// rolloutVerb is one of the commands of `mainstay rollout`, for a PetSet.
type rolloutVerb struct {
	do      func(call rolloutCall, set *unstructured.Unstructured) error
	long    string
	example string
}

var rolloutVerbs = map[string]rolloutVerb{
	"status": {rolloutStatus, `Follow a rollout until it is done: a line for each change of what is waited for,
and why. It says when a set is stuck or paused, and goes on watching.`,
		`  mainstay rollout status petset/postgres
  mainstay rollout status petset/postgres --watch=false`},
	"history": {rolloutHistory, `List the revisions of a set, or show one of them.`,
		`  mainstay rollout history petset/postgres
  mainstay rollout history petset/postgres --revision=3`},
	"undo": {rolloutUndo, `Go back to the revision before, or to the one that you say: its template and its
overrides.`,
		`  mainstay rollout undo petset/postgres
  mainstay rollout undo petset/postgres --to-revision=3`},
	"pause": {rolloutPause, `No pod is replaced because of its revision until the set is resumed.`,
		`  mainstay rollout pause petset/postgres`},
	"resume": {rolloutResume, `Let a paused rollout go on.`,
		`  mainstay rollout resume petset/postgres`},
	"restart": {rolloutRestart, `Replace all pods, in the order of an update.`,
		`  mainstay rollout restart petset/postgres`},
}

// newRollout is kubectl's rollout, which learns to do the same with PetSets.
func newRollout(o *options) *cobra.Command {
	c := newCluster(o)
	command := rollout.NewCmdRollout("mainstay", c.factory, c.streams())
	command.Short = "Follow, undo, pause, resume or restart a rollout"
	command.Long = `Follow, undo, pause, resume or restart the rollout of a PetSet. With StatefulSets,
Deployments and DaemonSets it is kubectl's own command.`
	command.Example = rolloutVerbs["status"].example + "\n" + rolloutVerbs["undo"].example
	command.Run, command.RunE = nil, func(command *cobra.Command, arguments []string) error {
		if len(arguments) > 0 {
			return fmt.Errorf("there is no `mainstay rollout %s`; there are status, history, undo, pause, resume and restart", arguments[0])
		}
		return command.Help()
	}
	c.addFlags(command.PersistentFlags())
	for _, sub := range command.Commands() {
		verb, kubectls := rolloutVerbs[sub.Name()], sub.Run
		sub.Long, sub.Example = verb.long, verb.example
		sub.Run, sub.RunE = nil, func(command *cobra.Command, arguments []string) error {
			return runRollout(c, command, arguments, verb, kubectls)
		}
	}
	return command
}

// rolloutCall is what a verb needs beside the set.
type rolloutCall struct {
	*cluster
	ctx     context.Context
	command *cobra.Command
	objects dynamic.Interface
}

func runRollout(c *cluster, command *cobra.Command, arguments []string, verb rolloutVerb, kubectls func(*cobra.Command, []string)) error {
	if len(arguments) == 0 && flagText(command, "filename") == "[]" && flagText(command, "kustomize") == "" {
		return fmt.Errorf("which set? Write `%s petset/NAME`", command.CommandPath())
	}
	if err := c.reach(); err != nil {
		return err
	}
	named, err := c.named(command, arguments)
	if err != nil {
		return c.explainMissing(command.Context(), err)
	}
	var sets []*unstructured.Unstructured
	for _, info := range named {
		if info.Mapping.Resource == petSetResource {
			sets = append(sets, info.Object.(*unstructured.Unstructured))
		}
	}
	switch namespace, _, _ := c.namespace(); {
	case len(named) == 0:
		fmt.Fprintf(c.options.errors, "No resources found in %s namespace.\n", namespace)
		return nil
	case len(sets) == 0:
		kubectls(command, arguments)
		return nil
	case len(sets) < len(named):
		return errors.New("PetSets and other kinds in one command: say it once for each kind")
	}
	call := rolloutCall{cluster: c, ctx: command.Context(), command: command}
	if call.objects, err = c.factory.DynamicClient(); err != nil {
		return err
	}
	for _, set := range sets {
		if failed := verb.do(call, set); failed != nil {
			err = errors.Join(err, explain(failed))
		}
	}
	return err
}

// named finds the objects that the arguments and flags name, as kubectl does.
func (c *cluster) named(command *cobra.Command, arguments []string) ([]*resource.Info, error) {
	namespace, enforce, err := c.namespace()
	if err != nil {
		return nil, err
	}
	files := resource.FilenameOptions{Kustomize: flagText(command, "kustomize")}
	if files.Filenames, err = command.Flags().GetStringSlice("filename"); err != nil {
		return nil, err
	}
	if files.Recursive, err = command.Flags().GetBool("recursive"); err != nil {
		return nil, err
	}
	return c.factory.NewBuilder().Unstructured().
		NamespaceParam(namespace).DefaultNamespace().
		FilenameParam(enforce, &files).
		LabelSelectorParam(flagText(command, "selector")).
		ResourceTypeOrNameArgs(true, arguments...).
		Latest().Flatten().Do().Infos()
}

// explainMissing names the PetSets that there are when the one asked for is not.
func (c *cluster) explainMissing(ctx context.Context, err error) error {
	var status apierrors.APIStatus
	if !apierrors.IsNotFound(err) || !errors.As(err, &status) || status.Status().Details == nil ||
		status.Status().Details.Kind != petSetResource.Resource {
		return explain(err)
	}
	namespace, _, _ := c.namespace()
	missing := fmt.Sprintf("there is no petset %q in namespace %s", status.Status().Details.Name, namespace)
	objects, failed := c.factory.DynamicClient()
	if failed != nil {
		return errors.New(missing)
	}
	all, failed := objects.Resource(petSetResource).Namespace("").List(ctx, metav1.ListOptions{Limit: 10})
	if failed != nil || len(all.Items) == 0 {
		return errors.New(missing + ", and no other")
	}
	var names []string
	for _, set := range all.Items {
		names = append(names, set.GetNamespace()+"/"+set.GetName())
	}
	return fmt.Errorf("%s; there is %s", missing, strings.Join(names, ", "))
}

// print shows the set after an operation, in the format that -o asks for.
func (call rolloutCall) print(set *unstructured.Unstructured, operation string, dryRun cmdutil.DryRunStrategy) error {
	flags := genericclioptions.NewPrintFlags(operation).WithTypeSetter(scheme.Scheme)
	*flags.OutputFormat = flagText(call.command, "output")
	*flags.TemplatePrinterFlags.TemplateArgument = flagText(call.command, "template")
	printer, err := cmdutil.PrintFlagsWithDryRunStrategy(flags, dryRun).ToPrinter()
	if err != nil {
		return err
	}
	return printer.PrintObj(set, call.options.out)
}

// sets is the client of the PetSets beside this one.
func (call rolloutCall) sets(set *unstructured.Unstructured) dynamic.ResourceInterface {
	return call.objects.Resource(petSetResource).Namespace(set.GetNamespace())
}
