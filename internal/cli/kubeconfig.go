package cli

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/mainstay-io/mainstay/internal/engine"
)

func newKubeconfig(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "kubeconfig",
		Short:   "Print the path of the kubeconfig",
		Long:    "Print the path of the administrator's kubeconfig, for kubectl, helm and other tools.",
		Example: "  export KUBECONFIG=$(mainstay kubeconfig)",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			file, err := o.kubeconfig()
			if err == nil {
				fmt.Fprintln(o.out, file)
			}
			return err
		},
	}
}

// kubeconfig returns the path of the kubeconfig if this user may read it.
func (o *options) kubeconfig() (string, error) {
	file := o.paths().Kubeconfig()
	handle, err := os.Open(file)
	switch {
	case os.IsNotExist(err):
		if choices, err := engine.RememberedChoices(o.dataDir); err == nil && choices.Joined() {
			return "", administerElsewhere(choices.Server)
		}
		return "", fmt.Errorf("there is no %s yet: start Mainstay with `mainstay up`", file)
	case os.IsPermission(err):
		return "", fmt.Errorf("%s belongs to root: try again with sudo", file)
	case err != nil:
		return "", err
	}
	return file, handle.Close()
}

// administerElsewhere is for a machine that has joined: it knows the node's own
// identity alone, which may do little.
func administerElsewhere(server string) error {
	return fmt.Errorf("this machine is a node of the cluster at %s, which is administered there. To do it from here, copy the server's kubeconfig "+
		"(`mainstay kubeconfig` says where it is), put %s in it for https://127.0.0.1:%d, and name it in KUBECONFIG", server, server, engine.APIPort)
}
