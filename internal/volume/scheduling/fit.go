package scheduling

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// promise is what a pool of a node was chosen for.
type promise struct {
	ask
	node  string
	since time.Time
}

// verdict is what the asks of a pod mean for a node.
type verdict struct {
	// lacks says which pool lacks what. Empty: the node fits.
	lacks []string
	// left is the part of what may be promised that would be left then, 0 to 1: of
	// the pool that has the least.
	left float64
}

// judge says whether the pools of a node can promise what is asked for, all of it
// together, beside what they owe already and what was assumed of them since. What
// they promised to the asking volumes themselves is not asked twice.
func judge(node string, pools []*v1alpha1.Pool, asks []ask, assumed []promise) verdict {
	v := verdict{left: 1}
	byPool := map[string][]ask{}
	for _, a := range asks {
		if a.anything() {
			byPool[a.pool] = append(byPool[a.pool], a)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byPool)) {
		i := slices.IndexFunc(pools, func(p *v1alpha1.Pool) bool { return p.Spec.Name == name })
		if i < 0 {
			v.lacks = append(v.lacks, fmt.Sprintf("node %s has no pool %s", node, name))
			continue
		}
		ledger, has := ledgerOf(pools[i], assumed)
		asked := slices.DeleteFunc(byPool[name], func(a ask) bool { return has[a.volume] })
		wants := together(asked)
		directories := apimeta.FindStatusCondition(pools[i].Status.Conditions, v1alpha1.PoolDirectoryVolumes)
		ready := apimeta.FindStatusCondition(pools[i].Status.Conditions, v1alpha1.PoolReady)
		switch {
		case ready != nil && ready.Status == metav1.ConditionFalse:
			v.lacks = append(v.lacks, fmt.Sprintf("pool %s of node %s cannot be used: %s", name, node, ready.Message))
		case slices.ContainsFunc(asked, func(a ask) bool { return a.directory }) && directories != nil && directories.Status == metav1.ConditionFalse:
			v.lacks = append(v.lacks, fmt.Sprintf("pool %s of node %s: %s", name, node, directories.Message))
		case ledger.Admit(qos.Parameters{}, wants) != nil:
			v.lacks = append(v.lacks, fmt.Sprintf("pool %s of node %s: %s", name, node, ledger.Lack(wants)))
		case wants.Guaranteed() && exhausted(pools[i]):
			v.lacks = append(v.lacks, fmt.Sprintf("pool %s of node %s can promise nothing at present", name, node))
		default:
			ledger.Promised = append(ledger.Promised, wants)
			v.left = min(v.left, max(1-ledger.Owed()/qos.Promisable, 0))
		}
	}
	return v
}

// full says which pools of a node have too little space for what is asked for. Upstream has
// found that out for the node as a whole.
func full(node string, pools []*v1alpha1.Pool, asks []ask) (lacks []string) {
	for _, a := range asks {
		i := slices.IndexFunc(pools, func(p *v1alpha1.Pool) bool { return p.Spec.Name == a.pool })
		if i < 0 {
			continue
		}
		if left := pools[i].Status.Available; left != nil && left.Value() < a.size {
			lacks = append(lacks, fmt.Sprintf("pool %s of node %s: %s of space left, %s asked",
				a.pool, node, resource.NewQuantity(qos.WholeMebi(left.Value()), resource.BinarySI), resource.NewQuantity(a.size, resource.BinarySI)))
		}
	}
	return lacks
}

// exhausted: the node says that nothing is left. It may have reasons that cannot be
// reckoned from what the pool owes.
func exhausted(pool *v1alpha1.Pool) bool {
	left := pool.Status.Left
	return left.IOPS == 0 && (left.Throughput == nil || left.Throughput.IsZero())
}

// ledgerOf is the pool's ledger with what was assumed of it, and which volumes are
// in it.
func ledgerOf(pool *v1alpha1.Pool, assumed []promise) (ledger qos.Ledger, has map[string]bool) {
	has = map[string]bool{}
	for _, v := range pool.Status.Volumes {
		has[v.Name] = true
	}
	if e := pool.Status.Envelope; e != nil {
		ledger.Envelope = qos.Envelope{
			ReadIOPS: e.ReadIOPS, WriteIOPS: e.WriteIOPS,
			ReadThroughput: e.ReadThroughput.Value(), WriteThroughput: e.WriteThroughput.Value(),
			Measured: e.Measured.Time,
		}
	}
	owed := qos.Parameters{MinIOPS: pool.Status.Promised.IOPS}
	if t := pool.Status.Promised.Throughput; t != nil {
		owed.MinThroughput = t.Value()
	}
	ledger.Promised = []qos.Parameters{owed}
	for _, p := range assumed {
		if p.node == pool.Spec.NodeName && p.pool == pool.Spec.Name && !has[p.volume] {
			has[p.volume] = true
			ledger.Promised = append(ledger.Promised, p.quality)
		}
	}
	return ledger, has
}

// together is what is asked for in one word. It stays at the largest number
// rather than begin anew below zero.
func together(asks []ask) qos.Parameters {
	plus := func(a, b int64) int64 { return a + min(b, math.MaxInt64-a) }
	var sum qos.Parameters
	for _, a := range asks {
		sum.MinIOPS = plus(sum.MinIOPS, a.quality.MinIOPS)
		sum.MinThroughput = plus(sum.MinThroughput, a.quality.MinThroughput)
	}
	return sum
}
