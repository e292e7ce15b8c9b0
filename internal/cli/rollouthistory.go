package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
	kubectldescribe "k8s.io/kubectl/pkg/describe"
	"k8s.io/kubectl/pkg/polymorphichelpers"
	"sigs.k8s.io/yaml"
)

// rolloutHistory lists the revisions of a set, or shows one of them.
func rolloutHistory(call rolloutCall, object *unstructured.Unstructured) error {
	number, err := call.command.Flags().GetInt64("revision")
	if err != nil {
		return err
	}
	if number < 0 {
		return fmt.Errorf("revision must be a positive integer: %d", number)
	}
	set, revisions, err := call.revisions(object)
	if err != nil {
		return err
	}
	if number > 0 {
		revision, err := findRevision(set, revisions, number)
		if err != nil {
			return err
		}
		revisions = []appsv1.ControllerRevision{revision}
	}
	switch out := call.options.out; {
	case flagText(call.command, "output") != "" || flagText(call.command, "template") != "":
		return call.printRevisions(object, revisions)
	case number > 0:
		return describeRevision(out, object, revisions[0])
	default:
		return listRevisions(out, object, revisions)
	}
}

func listRevisions(out io.Writer, set *unstructured.Unstructured, revisions []appsv1.ControllerRevision) error {
	fmt.Fprintf(out, "petset.%s/%s\n", petSetResource.Group, set.GetName())
	if len(revisions) == 0 {
		fmt.Fprintln(out, "No rollout history found.")
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "REVISION\tCHANGE-CAUSE")
	for _, revision := range revisions {
		cause := revision.Annotations[polymorphichelpers.ChangeCauseAnnotation]
		if cause == "" {
			cause = "<none>"
		}
		fmt.Fprintf(table, "%d\t%s\n", revision.Revision, cause)
	}
	return table.Flush()
}

func describeRevision(out io.Writer, set *unstructured.Unstructured, revision appsv1.ControllerRevision) error {
	content, err := readRevision(revision)
	if err != nil {
		return err
	}
	template := &corev1.PodTemplateSpec{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content.template, template); err != nil {
		return err
	}
	fmt.Fprintf(out, "petset.%s/%s with revision #%d\n", petSetResource.Group, set.GetName(), revision.Revision)
	kubectldescribe.DescribePodTemplate(template, kubectldescribe.NewPrefixWriter(out))
	if len(content.overrides) == 0 {
		return nil
	}
	overrides, err := yaml.Marshal(content.overrides)
	fmt.Fprintf(out, "Overrides:\n  %s\n", strings.ReplaceAll(strings.TrimSpace(string(overrides)), "\n", "\n  "))
	return err
}

// printRevisions shows what the set would be on each revision.
func (call rolloutCall) printRevisions(set *unstructured.Unstructured, revisions []appsv1.ControllerRevision) error {
	for _, revision := range revisions {
		content, err := readRevision(revision)
		if err != nil {
			return err
		}
		then := set.DeepCopy()
		spec := then.Object["spec"].(map[string]any)
		spec["template"] = content.template
		delete(spec, "overrides")
		if len(content.overrides) > 0 {
			spec["overrides"] = content.overrides
		}
		if err := call.print(then, "", cmdutil.DryRunNone); err != nil {
			return err
		}
	}
	return nil
}
