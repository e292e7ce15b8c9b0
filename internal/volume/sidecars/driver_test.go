package sidecars

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
	"github.com/mainstay-io/mainstay/test/csidriver"
)

const (
	thisNode   = "node-a"
	driverName = "disk.example.com"
)

// vendor is a driver that tests start and stop.
type vendor struct {
	csidriver.Driver
	stop func()
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	dir := volumetest.Dir(t)
	v := &vendor{Driver: csidriver.Driver{Name: driverName, NodeName: thisNode, StateDir: filepath.Join(dir, "s"), KubeletDir: filepath.Join(dir, "k")}}
	v.start(t)
	t.Cleanup(func() { v.stop() })
	return v
}

func (v *vendor) registryDir() string { return filepath.Join(v.KubeletDir, "plugins_registry") }

func (v *vendor) start(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- v.Serve(ctx) }()
	v.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		v.stop = func() {}
	}
	volumetest.Eventually(t, "the driver registers", func() bool {
		endpoint, err := findEndpoint(ctx, v.registryDir(), v.Name)
		return err == nil && endpoint == v.Socket()
	})
}

func TestFindEndpoint(t *testing.T) {
	v := newVendor(t)
	// What a killed plugin has left answers nothing, and is no hindrance.
	stale, err := net.Listen("unix", filepath.Join(v.registryDir(), "a-reg.sock"))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	stale.Close()
	if endpoint, err := findEndpoint(t.Context(), v.registryDir(), v.Name); err != nil || endpoint != v.Socket() {
		t.Errorf("found %s (%v)", endpoint, err)
	}
	if endpoint, err := findEndpoint(t.Context(), v.registryDir(), "other.example.com"); err == nil ||
		!strings.Contains(err.Error(), "registers the CSI driver other.example.com") || !strings.Contains(err.Error(), "a-reg.sock") {
		t.Errorf("found %s (%v)", endpoint, err)
	}
	if _, err := findEndpoint(t.Context(), filepath.Join(v.KubeletDir, "none"), v.Name); err == nil {
		t.Error("found an endpoint where no directory is")
	}
}

func TestConnect(t *testing.T) {
	v := newVendor(t)
	d, err := connect(t.Context(), served{name: v.Name, attach: true}, v.Socket(), always)
	if err != nil {
		t.Fatal(err)
	}
	defer d.connection.Close()
	if len(d.sidecars()) != len(makers) || !d.hasTopology() {
		t.Errorf("its sidecars are %v, topology %v", d.sidecars(), d.hasTopology())
	}
	if _, err := connect(t.Context(), served{name: "other.example.com"}, v.Socket(), always); err == nil || !strings.Contains(err.Error(), "it is the driver "+v.Name) {
		t.Errorf("connected to the wrong driver: %v", err)
	}
}

// A driver that comes back in time was never away; one that does not is gone.
func TestWatch(t *testing.T) {
	v := newVendor(t)
	d, err := connect(t.Context(), served{name: v.Name}, v.Socket(), always)
	if err != nil {
		t.Fatal(err)
	}
	defer d.connection.Close()
	watched := make(chan error, 1)
	go func() { watched <- d.watch(t.Context(), 20*time.Second) }()
	v.stop()
	v.start(t)
	volumetest.Eventually(t, "the connection is back", func() bool { return d.connection.GetState().String() == "READY" })
	select {
	case err := <-watched:
		t.Fatalf("a driver that came back is given up: %v", err)
	default:
	}
	v.stop()
	if err := d.watch(t.Context(), 100*time.Millisecond); err == nil {
		t.Error("a driver that is gone is not missed")
	}
}
