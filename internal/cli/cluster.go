package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	cmdutil "k8s.io/kubectl/pkg/cmd/util"
)

// cluster is the Kubernetes that a command speaks to: the engine's, or the one
// that the user names with kubectl's own flags and variables.
type cluster struct {
	options *options
	flags   *genericclioptions.ConfigFlags
	factory cmdutil.Factory
}

func newCluster(o *options) *cluster {
	flags := genericclioptions.NewConfigFlags(true)
	return &cluster{options: o, flags: flags, factory: cmdutil.NewFactory(flags)}
}

func (c *cluster) streams() genericiooptions.IOStreams {
	return genericiooptions.IOStreams{In: os.Stdin, Out: c.options.out, ErrOut: c.options.errors}
}

// addFlags takes kubectl's flags about the cluster. Most people need few: the
// others work, and stay out of the help.
func (c *cluster) addFlags(flags *pflag.FlagSet) {
	own := pflag.NewFlagSet("cluster", pflag.ContinueOnError)
	c.flags.AddFlags(own)
	own.VisitAll(func(flag *pflag.Flag) {
		flag.Hidden = !slices.Contains([]string{"kubeconfig", "context", "namespace"}, flag.Name)
	})
	own.Lookup("kubeconfig").Usage = "the cluster to use (default $KUBECONFIG, then Mainstay's own)"
	own.Lookup("context").Usage = "the context of the kubeconfig to use"
	own.Lookup("namespace").Usage = "the namespace to look in"
	flags.AddFlagSet(own)
}

// reach settles which cluster it is, and asks whether it is there: what comes
// after that says the same in many more words. It must be called before the
// factory is used.
func (c *cluster) reach() error {
	if err := c.choose(); err != nil {
		return err
	}
	client, err := c.factory.ToDiscoveryClient()
	if err != nil {
		return err
	}
	_, err = client.ServerVersion()
	return explain(err)
}

func (c *cluster) choose() error {
	if *c.flags.KubeConfig != "" || os.Getenv("KUBECONFIG") != "" {
		return nil
	}
	// Not the flag: what is handed to kubectl reads the variable as well.
	if err := c.options.useOwnCluster(); err != nil {
		return fmt.Errorf("%w; or name another cluster with --kubeconfig FILE", err)
	}
	*c.flags.CacheDir = c.options.paths().KubectlCache()
	return nil
}

// namespace is the one that flags and kubeconfig choose.
func (c *cluster) namespace() (name string, given bool, err error) {
	return c.factory.ToRawKubeConfigLoader().Namespace()
}

// explain adds to an error what the user can do about it.
func explain(err error) error {
	var unreachable *url.Error
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case utilnet.IsConnectionRefused(err) && errors.As(err, &unreachable):
		at, _ := url.Parse(unreachable.URL)
		return fmt.Errorf("no API server answers at %s: start Mainstay with `mainstay up`, or name another cluster with --kubeconfig", at.Host)
	case errors.As(err, &unreachable):
		return fmt.Errorf("cannot reach the cluster: %w", unreachable.Err)
	case strings.Contains(err.Error(), `resource type "pet`): // no error type tells
		return fmt.Errorf("%w: this cluster does not know PetSets. `mainstay controller manifests | kubectl apply -f -` installs them", err)
	case strings.Contains(err.Error(), "have a resource type"):
		return fmt.Errorf("%w; sets are petset/NAME, statefulset/NAME, deployment/NAME or daemonset/NAME", err)
	}
	return err
}

// flagText returns a flag's value, empty where the command has no such flag.
func flagText(command *cobra.Command, name string) string {
	if flag := command.Flags().Lookup(name); flag != nil {
		return flag.Value.String()
	}
	return ""
}
