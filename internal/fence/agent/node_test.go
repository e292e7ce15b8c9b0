package agent

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// life is a node between two boots.
type life struct {
	node  Node
	stops atomic.Int64
}

// begin runs a node and its executioner until end is called.
func (l *life) begin(t *testing.T) (end func()) {
	t.Helper()
	memory := openMemory(t, l.node.Dir)
	executioner := Executioner{Memory: memory, Dir: l.node.Dir, Stop: func(context.Context) error { l.stops.Add(1); return nil }}
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, part := range []func(context.Context) error{executioner.Run, l.node.Run} {
		group.Go(func() {
			if err := part(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	end = sync.OnceFunc(func() { cancel(); group.Wait() })
	t.Cleanup(end)
	return end
}

func (l *life) overdue(t *testing.T) bool {
	t.Helper()
	memory := openMemory(t, l.node.Dir)
	return memory.Load().Overdue(memory.boot, now())
}

// A node becomes a part of the fence while its pets run, goes on after its keeper was
// replaced, and does not take over from another machine of its name that may live.
func TestNode(t *testing.T) {
	client, err := kubernetes.NewForConfig(apiserver.Start(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Namespaces().Create(t.Context(), &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: Namespace}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CoreV1().Nodes().Create(t.Context(), &core.Node{ObjectMeta: meta.ObjectMeta{Name: "node"}}, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	signer := newAuthority(t)
	leases := Leases{Client: client, Terms: fence.DefaultTerms()}
	machine := func(name, address string) *life {
		dir := newDir(t)
		config := signer.tls(t, nodeUser+"node", net.ParseIP(address))
		return &life{node: Node{
			Terms: fence.DefaultTerms(), Name: "node", Machine: name, Address: net.ParseIP(address), Dir: dir, Leases: leases,
			Pets:   Pets{Client: client, Node: "node", Halt: halt.Of(t.TempDir(), "kubepods"), Spared: dir.Spared()},
			Server: config, Asker: Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: config.Clone()}}},
			Alive: func(context.Context) bool { return true }, Executioner: dir.ExecutionerRuns,
		}}
	}
	lease := func() fence.Lease { return leases.Read(t.Context(), "node").Lease }

	first := machine("first", "127.0.8.1")
	if first.node.Dir.Armed() {
		t.Error("a machine is armed that never had a lease")
	}
	end := first.begin(t)
	eventually(t, "the node has its lease", func() bool { return lease().State == fence.Open && !first.overdue(t) })
	eventually(t, "it renews", func(before uint64) func() bool { return func() bool { return lease().Version > before } }(lease().Version))
	end()
	end = first.begin(t)
	eventually(t, "it renews again", func(before uint64) func() bool { return func() bool { return lease().Version > before } }(lease().Version))
	if first.stops.Load() > 0 || lease().Epoch != 1 || first.overdue(t) {
		t.Errorf("pets were stopped %d times; the lease is %+v", first.stops.Load(), lease())
	}
	eventually(t, "the node tells what stops its pets", func() bool {
		node, err := client.CoreV1().Nodes().Get(t.Context(), "node", meta.GetOptions{})
		return err == nil && len(node.Status.Conditions) == 1 && node.Status.Conditions[0].Reason == "SecondProcess"
	})

	second := machine("second", "127.0.8.2")
	second.begin(t)
	eventually(t, "the second machine is armed, and its executioner at work", func() bool { return second.node.Dir.Armed() && second.stops.Load() > 0 })
	time.Sleep(5 * fence.DefaultTerms().Term / 4)
	if !second.overdue(t) || lease().Machine != "first" {
		t.Errorf("a second machine took over from one that lives: %+v", lease())
	}
	end()
	for lease().State != fence.Fenced { // as the judge does, when the first is surely stopped
		fenced := lease()
		fenced.State, fenced.Epoch = fence.Fenced, fenced.Epoch+1
		leases.Write(t.Context(), fenced)
	}
	eventually(t, "the second machine takes over", func() bool { return lease().Machine == "second" && !second.overdue(t) })
}
