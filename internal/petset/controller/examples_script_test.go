package controller

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	componentcli "k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"

	"github.com/mainstay-io/mainstay/hack/petsetdocs/example"
)

// root of the repository, where the examples' commands are meant to be run.
const root = "../../.."

// The test's own program is kubectl as well, when it is called so.
func init() {
	if filepath.Base(os.Args[0]) == "kubectl" {
		os.Exit(componentcli.Run(kubectl.NewDefaultKubectlCommand()))
	}
}

// script is the comment of an example, on its way through its commands.
type script struct {
	*cluster
	commands    []example.Block
	environment []string
	execs       *execs
}

func newScript(c *cluster, config *rest.Config, e example.Example) *script {
	c.Helper()
	s := &script{cluster: c}
	for _, block := range e.Blocks {
		if block.Command != "" {
			s.commands = append(s.commands, block)
		}
	}
	folder := c.TempDir()
	self, err := os.Executable()
	c.must(err)
	c.must(os.Symlink(self, filepath.Join(folder, "kubectl")))
	s.environment = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "HOME="+folder, "KUBECONFIG="+filepath.Join(folder, "kubeconfig"))
	c.must(clientcmd.WriteToFile(clientcmdapi.Config{
		CurrentContext: "test",
		Contexts:       map[string]*clientcmdapi.Context{"test": {Cluster: "test", AuthInfo: "test", Namespace: c.namespace}},
		Clusters:       map[string]*clientcmdapi.Cluster{"test": {Server: config.Host, TLSServerName: config.ServerName, CertificateAuthorityData: config.CAData}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"test": {Token: config.BearerToken}},
	}, filepath.Join(folder, "kubeconfig")))
	return s
}

// through runs the commands up to the next one that has that part.
func (s *script) through(part string) {
	s.Helper()
	for len(s.commands) > 0 {
		next := s.commands[0]
		s.commands = s.commands[1:]
		s.run(next)
		if strings.Contains(next.Command, part) {
			return
		}
	}
	s.Fatalf("the comment has no further command %q", part)
}

func (s *script) rest() {
	s.Helper()
	for len(s.commands) > 0 {
		next := s.commands[0]
		s.commands = s.commands[1:]
		s.run(next)
	}
}

// run runs a command. One that prints something is run until it prints what it
// should, as a person would look again.
func (s *script) run(command example.Block) {
	s.Helper()
	if command.Output == "" {
		if output, err := s.shell(command.Command); err != nil {
			s.Fatalf("%s\n%v\n%s", command.Command, err, output)
		}
		return
	}
	want := outputPattern(command.Output)
	s.eventually(command.Command, func() error {
		output, _ := s.shell(command.Command) // what is refused is printed, too
		if !want.MatchString(withoutColumns(output)) {
			return fmt.Errorf("it prints\n%sand should print\n%s", output, command.Output)
		}
		return nil
	})
}

func (s *script) shell(command string) (output string, err error) {
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
	defer cancel()
	shell := exec.CommandContext(ctx, "sh", "-c", command)
	shell.Dir, shell.Env = root, s.environment
	out, err := shell.CombinedOutput()
	return string(out), err
}

var ages = regexp.MustCompile(`\b(\d+[smh])+\b`)

// withoutColumns leaves out how wide columns are, and how old things.
func withoutColumns(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	for i := range lines {
		lines[i] = ages.ReplaceAllString(strings.Join(strings.Fields(lines[i]), " "), "AGE")
	}
	return strings.Join(lines, "\n")
}

// outputPattern matches what a comment shows; … stands for anything in a line.
func outputPattern(text string) *regexp.Regexp {
	return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(withoutColumns(text)), "…", ".*") + "$")
}
