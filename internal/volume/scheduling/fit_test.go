package scheduling

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// poolOf is a pool that does 1000 operations or 100 MiB a second, of which it may
// promise 800 or 80, and owes so many operations.
func poolOf(node string, owes int64, volumes ...string) *v1alpha1.Pool {
	p := &v1alpha1.Pool{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: v1alpha1.PoolSpec{NodeName: node, Name: volume.DefaultPool, Directory: "/pool"}}
	p.Status.Envelope = &v1alpha1.PoolEnvelope{
		ReadIOPS: 1000, WriteIOPS: 1000, ReadThroughput: resource.MustParse("100Mi"), WriteThroughput: resource.MustParse("100Mi"),
		Measured: metav1.NewTime(time.Unix(1_800_000_000, 0)),
	}
	p.Status.Promised.IOPS, p.Status.Left.IOPS = owes, max(800-owes, 0)
	for _, name := range volumes {
		p.Status.Volumes = append(p.Status.Volumes, v1alpha1.PoolVolume{Name: name})
	}
	return p
}

func wants(id string, iops, mebibytes int64) ask {
	return ask{volume: id, pool: volume.DefaultPool, quality: qos.Parameters{MinIOPS: iops, MinThroughput: mebibytes << 20}}
}

func TestJudge(t *testing.T) {
	free := poolOf("a", 0)
	unmeasured := poolOf("a", 0)
	unmeasured.Status.Envelope = nil
	unplugged := poolOf("a", 0)
	unplugged.Status.Conditions = []metav1.Condition{{Type: v1alpha1.PoolReady, Status: metav1.ConditionFalse, Message: "its disk is gone"}}
	fast := poolOf("a", 200)
	fast.Spec.Name = "fast"
	unwilling := poolOf("a", 0, "v")
	unwilling.Status.Left.IOPS = 0
	quotaless := poolOf("a", 0, "v")
	quotaless.Status.Conditions = []metav1.Condition{{Type: v1alpha1.PoolDirectoryVolumes, Status: metav1.ConditionFalse, Message: "it has no project quotas"}}
	directory := ask{volume: "w", pool: volume.DefaultPool, directory: true}
	elsewhere := wants("v", 100, 0)
	elsewhere.pool = "fast"
	assumed := func(node string, a ask) promise { return promise{ask: a, node: node} }
	for _, c := range []struct {
		why     string
		pools   []*v1alpha1.Pool
		asks    []ask
		assumed []promise
		lacks   string // empty: it fits
		left    float64
	}{
		{"there is room", []*v1alpha1.Pool{free}, []ask{wants("v", 400, 0)}, nil, "", 0.5},
		{"just enough", []*v1alpha1.Pool{free}, []ask{wants("v", 800, 0)}, nil, "", 0},
		{"too much for an empty pool", []*v1alpha1.Pool{free}, []ask{wants("v", 801, 0)}, nil,
			"pool default of node a: 800 IOPS left of 800 IOPS, 801 IOPS asked", 0},
		{"too much beside what it owes", []*v1alpha1.Pool{poolOf("a", 500)}, []ask{wants("v", 301, 0)}, nil,
			"pool default of node a: 300 IOPS left of 800 IOPS, 301 IOPS asked", 0},
		{"operations and bytes take of one disk", []*v1alpha1.Pool{poolOf("a", 500)}, []ask{wants("v", 0, 40)}, nil,
			"pool default of node a: 30Mi a second left of 80Mi a second, 40Mi a second asked", 0},
		{"both are asked for", []*v1alpha1.Pool{poolOf("a", 500)}, []ask{wants("v", 200, 20)}, nil,
			"pool default of node a: 300 IOPS or 30Mi a second left of 800 IOPS or 80Mi a second, 200 IOPS and 20Mi a second asked", 0},
		{"all claims of a pod together", []*v1alpha1.Pool{free}, []ask{wants("v", 500, 0), wants("w", 400, 0)}, nil,
			"pool default of node a: 800 IOPS left of 800 IOPS, 900 IOPS asked", 0},
		{"more than there are numbers for", []*v1alpha1.Pool{free}, []ask{wants("v", math.MaxInt64, 0), wants("w", math.MaxInt64, 0)}, nil,
			"pool default of node a: 800 IOPS left of 800 IOPS, 9223372036854775807 IOPS asked", 0},
		{"a pool that was never measured promises nothing", []*v1alpha1.Pool{unmeasured}, []ask{wants("v", 1, 0)}, nil,
			"pool default of node a: it was never measured; run `mainstay pool probe` on its node", 0},
		{"a pool that says that nothing is left, and not why", []*v1alpha1.Pool{unwilling}, []ask{wants("w", 1, 0)}, nil,
			"pool default of node a can promise nothing at present", 0},
		{"what such a pool has promised stays", []*v1alpha1.Pool{unwilling}, []ask{wants("v", 1, 0)}, nil, "", 1},
		{"a node without pools", nil, []ask{wants("v", 1, 0)}, nil, "node a has no pool default", 0},
		{"a node without that pool", []*v1alpha1.Pool{free}, []ask{elsewhere}, nil, "node a has no pool fast", 0},
		{"a pool that cannot be used", []*v1alpha1.Pool{unplugged}, []ask{wants("v", 1, 0)}, nil, "pool default of node a cannot be used: its disk is gone", 0},
		{"a directory in a pool that may have some", []*v1alpha1.Pool{free}, []ask{directory}, nil, "", 1},
		{"a directory in a pool that can have none", []*v1alpha1.Pool{quotaless}, []ask{directory}, nil, "pool default of node a: it has no project quotas", 0},
		{"another volume in such a pool", []*v1alpha1.Pool{quotaless}, []ask{wants("w", 400, 0)}, nil, "", 0.5},
		{"of two pools the one that has less left counts", []*v1alpha1.Pool{free, fast}, []ask{elsewhere, wants("w", 100, 0)}, nil, "", 0.625},
		{"two pools, two reasons", []*v1alpha1.Pool{free}, []ask{elsewhere, wants("w", 900, 0)}, nil,
			"pool default of node a: 800 IOPS left of 800 IOPS, 900 IOPS asked; node a has no pool fast", 0},
		{"what was assumed counts", []*v1alpha1.Pool{free}, []ask{wants("v", 500, 0)}, []promise{assumed("a", wants("other", 400, 0))},
			"pool default of node a: 400 IOPS left of 800 IOPS, 500 IOPS asked", 0},
		{"what was assumed counts once: the pool shows it", []*v1alpha1.Pool{poolOf("a", 400, "other")}, []ask{wants("v", 400, 0)},
			[]promise{assumed("a", wants("other", 400, 0))}, "", 0},
		{"what was assumed of another node does not count", []*v1alpha1.Pool{free}, []ask{wants("v", 500, 0)},
			[]promise{assumed("b", wants("other", 400, 0))}, "", 0.375},
		{"what was assumed of another pool does not count", []*v1alpha1.Pool{free}, []ask{wants("v", 500, 0)},
			[]promise{assumed("a", elsewhere)}, "", 0.375},
		{"a volume that is there already asks for nothing more", []*v1alpha1.Pool{poolOf("a", 700, "v")}, []ask{wants("v", 700, 0)}, nil, "", 0.125},
		{"nor does one that was assumed there", []*v1alpha1.Pool{free}, []ask{wants("v", 700, 0)},
			[]promise{assumed("a", wants("v", 700, 0))}, "", 0.125},
		{"a pool that was found slower than what it owes", []*v1alpha1.Pool{poolOf("a", 900, "v")}, []ask{wants("v", 900, 0)}, nil, "", 0},
	} {
		v := judge("a", c.pools, c.asks, c.assumed)
		if got := strings.Join(v.lacks, "; "); got != c.lacks {
			t.Errorf("%s: lacks %q, expected %q", c.why, got, c.lacks)
		}
		if c.lacks == "" && math.Abs(v.left-c.left) > 1e-9 {
			t.Errorf("%s: %v would be left, expected %v", c.why, v.left, c.left)
		}
	}
}

// What the scheduler lets through, one pod after the other, never exceeds what the
// pool may promise; and a pod's own claims, however many, are never judged apart.
func TestNeverMoreThanThePoolMayPromise(t *testing.T) {
	pool := poolOf("a", 0)
	var assumed []promise
	sum, refused := int64(0), 0
	for i := range int64(100) {
		asks := []ask{wants(string(rune('a'+i)), i*7%90, 0), wants(string(rune('A'+i))+"'", i*13%50, 0)}
		if len(judge("a", []*v1alpha1.Pool{pool}, asks, assumed).lacks) > 0 {
			refused++
			continue
		}
		for _, a := range asks {
			sum += a.quality.MinIOPS
			assumed = append(assumed, promise{ask: a, node: "a"})
		}
	}
	if sum > 800 || sum < 700 || refused == 0 {
		t.Errorf("%d IOPS were let through, %d pods refused; the pool may promise 800", sum, refused)
	}
}

func TestFull(t *testing.T) {
	pool, unknown := poolOf("a", 0), poolOf("a", 0)
	pool.Status.Available = resource.NewQuantity(3<<30+5, resource.BinarySI)
	of := func(gibibytes int64, name string) ask { return ask{pool: name, size: gibibytes << 30} }
	for _, c := range []struct {
		why   string
		pool  *v1alpha1.Pool
		asks  []ask
		lacks string
	}{
		{"just enough", pool, []ask{of(3, "default")}, ""},
		{"too much", pool, []ask{of(4, "default")}, "pool default of node a: 3Gi of space left, 4Gi asked"},
		{"one of two", pool, []ask{of(1, "default"), of(10, "default")}, "pool default of node a: 3Gi of space left, 10Gi asked"},
		{"a pool that is not there: that is told elsewhere", pool, []ask{of(4, "fast")}, ""},
		{"a pool that tells nothing", unknown, []ask{of(4, "default")}, ""},
	} {
		if got := strings.Join(full("a", []*v1alpha1.Pool{c.pool}, c.asks), "; "); got != c.lacks {
			t.Errorf("%s: %q, expected %q", c.why, got, c.lacks)
		}
	}
}

func TestAssumptions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := assumptions{byVolume: map[string]promise{}}
	expect := func(why, node string, at time.Time, want ...string) {
		t.Helper()
		var got []string
		for _, p := range a.on(node, at) {
			got = append(got, p.volume)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, expected %v", why, got, want)
		}
	}
	a.add("a", []ask{wants("v", 1, 0), wants("w", 1, 0)}, now)
	a.add("b", []ask{wants("x", 1, 0)}, now.Add(time.Second))
	expect("each node has its own", "a", now, "v", "w")
	a.drop([]ask{wants("w", 1, 0), wants("unheard of", 1, 0)})
	expect("w was chosen for in vain", "a", now, "v")
	a.add("b", []ask{wants("v", 1, 0)}, now)
	expect("v went elsewhere", "a", now)
	a.settle(poolOf("b", 1, "v"))
	expect("the pool shows v", "b", now.Add(patience), "x")
	expect("x never came", "b", now.Add(patience+2*time.Second))
}
