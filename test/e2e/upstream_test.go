package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// upstreamVariable makes this program one of upstream's, rather than the tests:
// so each is a process of its own, and none has to be built.
const upstreamVariable = "MAINSTAY_TEST_UPSTREAM"

// runUpstream is what the main function of that program does.
func runUpstream(program string) (status int) {
	commands := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllermanager.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
		"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	}
	return cli.Run(commands[program]())
}

// runner prepares a program to run somewhere, as exec.Command does.
type runner func(program string, arguments ...string) *exec.Cmd

// startUpstream starts one of upstream's programs, which ends with the test.
func (c *stockCluster) startUpstream(t *testing.T, run runner, program string, arguments ...string) *exec.Cmd {
	t.Helper()
	log, err := os.CreateTemp(c.directory, program+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	command := run(os.Args[0], arguments...)
	command.Env = append(command.Environ(), fmt.Sprintf("%s=%s", upstreamVariable, program))
	command.Stdout, command.Stderr = log, log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
		if t.Failed() {
			showEnd(t, log.Name())
		}
	})
	return command
}
