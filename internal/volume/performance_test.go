package volume

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// Every attached volume's performance is known, whether something is promised
// to it or not, for as long as somebody governs.
func TestPerformance(t *testing.T) {
	p, dir := testPool(t)
	r := mustCreate(t, p, Spec{Name: "busy", RequiredBytes: 32 * mib, FileSystem: Ext4})
	mustCreate(t, p, Spec{Name: "unused", RequiredBytes: 8 * mib, FileSystem: Ext4})
	must(t, p.Stage(context.Background(), r.ID, filepath.Join(dir, "staging"), nil))
	if known := p.Performance(); known != nil {
		t.Errorf("before anybody looks: %+v", known)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Govern(ctx) }()
	file, err := os.OpenFile(filepath.Join(dir, "staging/file"), os.O_CREATE|os.O_WRONLY|os.O_SYNC, 0o600)
	must(t, err)
	defer file.Close()
	var known map[string]qos.Performance
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && known[r.ID].P99 == 0; {
		_, err := file.WriteAt(make([]byte, 4096), 0)
		must(t, err)
		known = p.Performance()
	}
	got := known[r.ID]
	if len(known) != 1 || got.Achieved.IOPS < 10 || got.Achieved.Throughput < 4096*10 || got.P99 <= 0 || got.P99 > time.Second || got.Latencies.Count == 0 {
		t.Errorf("%+v", known)
	}
	stop()
	must(t, <-ended)
	if known := p.Performance(); known != nil {
		t.Errorf("when nobody looks any more: %+v", known)
	}
}
