package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
)

// firstPhase says what an engine does first.
func (c Choices) firstPhase() string {
	if c.Joined() {
		return "starting the container runtime and asking the server at " + c.Server
	}
	if c.Etcd.Configured() {
		return "starting the API server and the container runtime"
	}
	return "starting etcd, the API server and the container runtime"
}

// elsewhere finishes the words "the API server".
func (c Choices) elsewhere() string {
	if c.Joined() {
		return " at " + c.Server
	}
	return ""
}

// prepareNode makes what the parts of a machine find that has joined. The engine
// itself acts as the node there.
func (e *Engine) prepareNode() error {
	if err := checkIdentity(e.config, e.paths, time.Now()); err != nil {
		return err
	}
	if err := ensureServers(e.config, e.paths); err != nil {
		return err
	}
	if err := writeNodeKubeconfigs(e.config, e.paths); err != nil {
		return err
	}
	door, err := openDoor(e.paths)
	if err != nil {
		return err
	}
	e.node.run("door to the servers", door.run)
	e.client, err = clientOf(e.paths, "kubelet")
	return err
}

func (e *Engine) waitForAPI(ctx context.Context) error {
	if e.config.Joined() {
		return waitForServer(ctx, e.client, e.config)
	}
	return waitForAPI(ctx, e.client)
}

// waitForServer returns when the server answers this node, however long it is away.
// It gives up only when the server does not know the node any more.
func waitForServer(ctx context.Context, client kubernetes.Interface, config Config) error {
	return wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := client.CoreV1().Nodes().Get(ctx, config.NodeName, metav1.GetOptions{})
		if apierrors.IsUnauthorized(err) {
			return false, fmt.Errorf("the server at %s does not accept this machine's certificate: run `mainstay join` again, with a new token", config.Server)
		}
		return err == nil || apierrors.IsNotFound(err), nil
	})
}

// waitForServingCertificate returns when kubelet has the certificate with which it
// answers `kubectl logs` and `exec`.
func waitForServingCertificate(ctx context.Context, paths Paths) error {
	return wait.PollUntilContextCancel(ctx, 20*time.Millisecond, true, func(context.Context) (bool, error) {
		_, err := os.Stat(paths.pkiFile("kubelet-server-current.pem"))
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		return err == nil, err
	})
}

// NodeClient returns a client of the cluster that acts as the node of a machine that
// has joined, and the node's name.
func NodeClient(dataDir string) (kubernetes.Interface, string, error) {
	paths := Paths{DataDir: dataDir}
	client, err := clientWithoutEngine(paths, "kubelet")
	return client, knownNodeName(paths), err
}
