package volume

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

func TestFallsInSteps(t *testing.T) {
	for release, want := range map[string]bool{
		"5.14.0-427.el9.x86_64": true, "6.1.0-13-amd64": true, "6.5.13": true,
		"6.6.0": false, "6.18.44-fc-v595": false, "7.0.0-rc1": false,
		"unheard of": true,
	} {
		if got := fallsInSteps(release); got != want {
			t.Errorf("%s: %v", release, got)
		}
	}
}

// Where limits fall in steps, none falls at once, whoever lowers it; and the governor
// takes it down, all the way.
func TestLimitFalls(t *testing.T) {
	p, dir := testPool(t)
	if p.cannotThrottle != nil {
		t.Skip(p.cannotThrottle)
	}
	const high, low, uid = 1 << 30, 1 << 20, "0b0e6d1c-1111-2222-3333-444455556667"
	p.throttle.steps = true
	container(t, p, uid)
	r := mustCreate(t, p, Spec{Name: "limited", RequiredBytes: 16 * mib, FileSystem: RawBlock, Quality: qos.Parameters{MaxThroughput: high, MaxIOPS: 1000}})
	must(t, p.Stage(context.Background(), r.ID, filepath.Join(dir, "staging"), nil))
	loops, err := findLoops(p.image(r.ID))
	must(t, err)
	number, err := deviceNumber(loops[0].device)
	must(t, err)
	group := p.throttle.find(nil).names[0]
	expect := func(why string, want qos.Limit) {
		t.Helper()
		if reads, writes := p.throttle.inForce(group, number); reads != want || writes != want {
			t.Errorf("%s: %+v and %+v", why, reads, writes)
		}
	}
	expect("the first limit", qos.Limit{Throughput: high, IOPS: 1000})
	_, err = p.Modify(r.ID, map[string]string{"maxThroughput": "1Mi", "maxIops": "2000"})
	must(t, err)
	expect("one falls and one rises", qos.Limit{Throughput: high, IOPS: 2000})

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Govern(ctx) }()
	defer func() { stop(); must(t, <-ended) }()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if reads, writes := p.throttle.inForce(group, number); reads.Throughput == low && writes.Throughput == low {
			break
		}
	}
	expect("governed", qos.Limit{Throughput: low, IOPS: 2000})
	_, err = p.Modify(r.ID, map[string]string{"maxThroughput": "0", "maxIops": "0"})
	must(t, err)
	expect("none", qos.Limit{})
}
