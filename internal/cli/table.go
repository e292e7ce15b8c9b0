package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// print shows the report to a person.
func (r report) print(out io.Writer) error {
	fmt.Fprintf(out, "engine   %s (process %d, up since %s)\n", r.Engine.Phase, r.Engine.Process, r.Engine.Started.Format("2006-01-02 15:04:05"))
	for _, node := range r.Nodes {
		fmt.Fprintf(out, "node     %s %s (%s, Kubernetes %s)\n", node.Name, node.state(), node.Address, node.Version)
	}
	if r.Server != "" {
		fmt.Fprintf(out, "cluster  %s (there, `mainstay status` shows all of it)\n", r.Server)
		fmt.Fprintf(out, "pods     %d on this node, %d of them Ready\n", r.Pods.Running, r.Pods.Ready)
	} else if r.Pods.Running > 0 {
		fmt.Fprintf(out, "pods     %d outside of sets, %d of them Ready\n", r.Pods.Running, r.Pods.Ready)
	}
	for _, set := range r.Sets {
		fmt.Fprintf(out, "\n%s %s/%s: %d of %d Ready\n", set.Kind, set.Namespace, set.Name, set.Ready, set.Wanted)
		if set.WaitsFor != "" {
			fmt.Fprintf(out, "  waits for %s\n", set.WaitsFor)
		}
		if len(set.Pets) == 0 {
			continue
		}
		table := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
		fmt.Fprintln(table, "  PET\tREADY\tSTATE\tNODE\tVOLUME\tDNS NAME")
		for _, pet := range set.Pets {
			fmt.Fprintf(table, "  %s\t%s\t%s\t%s\t%s\t%s\n", pet.Name, yesNo(pet.Ready), pet.State,
				orDash(pet.Node), orDash(pet.Volume), orDash(pet.DNSName))
		}
		if err := table.Flush(); err != nil {
			return err
		}
	}
	if !r.Engine.Ready {
		return nil
	}
	printFailovers(out, r.Failovers, r.now)
	if len(r.Problems) == 0 {
		fmt.Fprintln(out, "\nNothing is wrong.")
		return nil
	}
	fmt.Fprintln(out, "\nWhat is wrong:")
	for _, problem := range r.Problems {
		fmt.Fprintln(out, "  -", problem)
	}
	return nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
