package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/mainstay-io/mainstay/internal/engine/drain"
)

// A node has no right to watch its pods move to others. So it asks the server, by
// annotations of its own Node: the server moves them, and says there how it goes.
const (
	// leaveAnnotation is the node's: an ID for its wish.
	leaveAnnotation = "mainstay.dev/leave"
	// leavingAnnotation is the server's: a leaving in JSON.
	leavingAnnotation = "mainstay.dev/leaving"
)

// leaving is how far the server is with a node's wish.
type leaving struct {
	ID string `json:"id"`
	// Doing is what the server is about; Refused why it does not do it. When both are
	// empty, nothing of the cluster is on the node any more.
	Doing   string `json:"doing,omitempty"`
	Refused string `json:"refused,omitempty"`
}

func readLeaving(node *corev1.Node) (state leaving) {
	_ = json.Unmarshal([]byte(node.Annotations[leavingAnnotation]), &state) // what cannot be read is no answer
	return state
}

// toTakeOut: the node has a wish that the server has not met or refused yet.
func toTakeOut(node *corev1.Node) bool {
	id, state := node.Annotations[leaveAnnotation], readLeaving(node)
	return id != "" && (state.ID != id || state.Doing != "")
}

// leaves: the node has a wish that the server has not refused.
func leaves(node *corev1.Node) bool {
	id, state := node.Annotations[leaveAnnotation], readLeaving(node)
	return id != "" && (state.ID != id || state.Refused == "")
}

// serveLeaving empties the nodes that want to leave, each by itself.
func serveLeaving(clients drain.Clients) func(context.Context, []*corev1.Node) error {
	done, busy := make(chan string), map[string]bool{}
	return func(ctx context.Context, nodes []*corev1.Node) error {
		for waiting := true; waiting; {
			select {
			case name := <-done:
				delete(busy, name)
			default:
				waiting = false
			}
		}
		for _, node := range nodes {
			if busy[node.Name] || !toTakeOut(node) {
				continue
			}
			busy[node.Name] = true
			go func() {
				takeOut(ctx, clients, node)
				select {
				case done <- node.Name:
				case <-ctx.Done():
				}
			}()
		}
		return nil
	}
}

// backAgain is how long a pet may take to be Ready on another node.
const backAgain = 5 * time.Minute

// takeOut empties a node, and tells it how it goes.
func takeOut(ctx context.Context, clients drain.Clients, node *corev1.Node) {
	state := leaving{ID: node.Annotations[leaveAnnotation]}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tell := func() { // if it fails, the next step tells again
		now, err := annotateNode(ctx, clients, node.Name, leavingAnnotation, state)
		if err == nil && now.Annotations[leaveAnnotation] != state.ID {
			cancel() // the node stays after all
		}
	}
	err := checkSpared(ctx, clients, node)
	if err == nil {
		err = drain.Node(ctx, clients, node.Name, drain.Options{Back: backAgain}, func(doing string) { state.Doing = doing; tell() })
	}
	if ctx.Err() != nil {
		return // the next engine goes on, unless the wish was taken back
	}
	state.Doing = ""
	if err != nil {
		state.Refused = err.Error()
	}
	tell()
}

// checkSpared refuses a node that the cluster cannot do without: the last server, and one
// that has volumes which no other node has.
func checkSpared(ctx context.Context, client kubernetes.Interface, node *corev1.Node) error {
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if IsServer(node) && !serverStays(node.Name, nodes.Items) {
		return errLastServer
	}
	volumes, err := client.CoreV1().PersistentVolumes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	if held := volumesOn(node.Name, nodes.Items, volumes.Items); len(held) > 0 {
		return fmt.Errorf("%d volumes lie on this machine and nowhere else (%s): delete their claims, or move what is in them; with --force their files stay here, and the cluster loses them",
			len(held), strings.Join(held, ", "))
	}
	return nil
}

var errLastServer = errors.New("this machine is the only server that is Ready, or the others want to leave, too. Try again when another one is Ready and stays; `mainstay down --purge` ends its part in the cluster, and the cluster if its state is here, too")

// serverStays tells whether there is a server when this node is gone. Of several that want to
// leave at the same moment all are refused, and may ask again one by one.
func serverStays(name string, nodes []corev1.Node) bool {
	return slices.ContainsFunc(nodes, func(n corev1.Node) bool {
		return n.Name != name && IsServer(&n) && nodeReady(&n) && !leaves(&n)
	})
}

// volumesOn names the volumes, by their claims, that this node has and no other.
func volumesOn(name string, nodes []corev1.Node, volumes []corev1.PersistentVolume) (held []string) {
	for _, volume := range volumes {
		if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
			continue
		}
		selector, err := nodeaffinity.NewNodeSelector(volume.Spec.NodeAffinity.Required)
		if err != nil {
			continue // no node matches it
		}
		here, elsewhere := false, false
		for _, node := range nodes {
			if selector.Match(&node) {
				here, elsewhere = here || node.Name == name, elsewhere || node.Name != name
			}
		}
		if !here || elsewhere {
			continue
		}
		called := "volume " + volume.Name
		if claim := volume.Spec.ClaimRef; claim != nil {
			called = claim.Namespace + "/" + claim.Name
		}
		held = append(held, called)
	}
	return held
}

// annotateNode sets an annotation of a Node; nil removes it. It returns the Node.
func annotateNode(ctx context.Context, client kubernetes.Interface, name, key string, value any) (*corev1.Node, error) {
	var text any
	switch value := value.(type) {
	case nil:
	case string:
		text = value
	default:
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		text = string(encoded)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]any{key: text}}})
	if err != nil {
		return nil, err
	}
	return client.CoreV1().Nodes().Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
}

// errServerAway tells the caller of Leave that there is a way without the server.
var errServerAway = errors.New("the server does not answer. With --force this machine leaves all the same; then remove its Node on the server: mainstay kubectl delete node")
