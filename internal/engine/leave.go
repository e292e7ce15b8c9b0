package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// Empty has the server that leads move all pods away from this machine, and keep new ones from it. The ID tells this wish from earlier ones.
func Empty(ctx context.Context, dataDir, id string, report func(string)) error {
	client, name, err := NodeClient(dataDir)
	if err != nil {
		return err
	}
	if _, err := annotateNode(ctx, client, name, leaveAnnotation, id); err != nil {
		return serverAway(err)
	}
	state, err := followLeaving(ctx, client, name, id, report)
	if err == nil && state.Refused == "" {
		return nil
	}
	// It stays after all: nobody may empty it later, when it is in use again.
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), apiPatience)
	defer cancel()
	_, withdrawn := annotateNode(late, client, name, leaveAnnotation, nil)
	if err == nil {
		err = errors.New(state.Refused)
	}
	return errors.Join(err, withdrawn)
}

// CheckServerLeaves refuses where the machine is no server beside others: what they share, the
// keys of the cluster among it, must not go with the last of them.
func CheckServerLeaves(ctx context.Context, dataDir string) error {
	paths := Paths{DataDir: dataDir}
	if _, err := os.Stat(paths.kubeconfigOf("machines")); errors.Is(err, os.ErrNotExist) {
		return errors.New("this machine is in no cluster that it could leave: `mainstay join` makes it a part of one, `mainstay up` begins one")
	}
	client, err := clientWithoutEngine(paths, "machines")
	if err != nil {
		return err
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("no server tells whether there are others than this one: %w", err)
	}
	if !serverStays(knownNodeName(paths), nodes.Items) {
		return errLastServer
	}
	return nil
}

// followLeaving reports what the server does, until it is done or refuses.
func followLeaving(ctx context.Context, client kubernetes.Interface, name, id string, report func(string)) (leaving, error) {
	report("asking the server to move the pods")
	for {
		node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
		if err != nil && ctx.Err() == nil {
			return leaving{}, serverAway(err)
		}
		if err == nil {
			if state := readLeaving(node); state.ID == id {
				if state.Doing == "" {
					return state, nil
				}
				report(state.Doing)
			}
		}
		select {
		case <-ctx.Done():
			return leaving{}, errors.New("interrupted; this machine stays a node. It takes no new pods until, on the server: mainstay kubectl uncordon " + name)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// serverAway is for errors that are not the server's answers.
func serverAway(err error) error {
	var answer apierrors.APIStatus
	if errors.As(err, &answer) {
		return err
	}
	return errServerAway
}

// RemoveNode takes the Node of this machine, whose engine has stopped, out of the
// cluster.
func RemoveNode(ctx context.Context, dataDir string) error {
	client, name, err := NodeClient(dataDir)
	if err != nil {
		return err
	}
	err = client.CoreV1().Nodes().Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return serverAway(err)
	}
	return nil
}

// Forget removes all that a machine has of the cluster that it has left, but for
// volumes: kept says where those are, if there are any. It may be killed and repeated.
func Forget(ctx context.Context, dataDir string) (kept string, err error) {
	if err := Clean(ctx, dataDir); err != nil {
		return "", err
	}
	paths := Paths{DataDir: dataDir}
	entries, err := os.ReadDir(paths.Pool())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), ".") { // no volume's name does
			return paths.Pool(), removeData(dataDir, "leave", paths.Pool(), paths.pools())
		}
	}
	return "", removeData(dataDir, "leave")
}
