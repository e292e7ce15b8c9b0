package sidecars

import (
	"context"
	"slices"
	"sync"
	"testing"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// recorded is which drivers are worked for at the moment, and how often one was
// begun.
type recorded struct {
	sync.Mutex
	now   []string
	begun int
}

func (r *recorded) work(ctx context.Context, s served) {
	r.Lock()
	r.now, r.begun = append(r.now, s.name), r.begun+1
	r.Unlock()
	<-ctx.Done()
	r.Lock()
	defer r.Unlock()
	r.now = slices.DeleteFunc(r.now, func(name string) bool { return name == s.name })
}

func (r *recorded) are(begun int, names ...string) func() bool {
	return func() bool {
		r.Lock()
		defer r.Unlock()
		return slices.Equal(r.now, names) && r.begun == begun
	}
}

// The workers follow what is registered on this node, and what is annotated.
func TestRunFollows(t *testing.T) {
	client := fake.NewClientset(csiDriver(driverName, ""), csiNode(thisNode, "other.example.com"))
	ctx, stop := context.WithCancel(t.Context())
	var r recorded
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, Config{NodeName: thisNode}, clients{kubernetes: client}, r.work)
	}()
	drivers, nodes := client.StorageV1().CSIDrivers(), client.StorageV1().CSINodes()
	set := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	set(drivers.Update(ctx, csiDriver(driverName, ByEngine), meta.UpdateOptions{}))
	set(nodes.Update(ctx, csiNode(thisNode, driverName), meta.UpdateOptions{}))
	volumetest.Eventually(t, "work begins", r.are(1, driverName))
	without := csiDriver(driverName, ByEngine)
	without.Spec.AttachRequired = new(bool)
	set(drivers.Update(ctx, without, meta.UpdateOptions{}))
	volumetest.Eventually(t, "work begins anew, since the driver has changed", r.are(2, driverName))
	set(nodes.Update(ctx, csiNode(thisNode), meta.UpdateOptions{}))
	volumetest.Eventually(t, "work ends with the registration", r.are(2))
	set(nodes.Update(ctx, csiNode(thisNode, driverName), meta.UpdateOptions{}))
	volumetest.Eventually(t, "work begins again", r.are(3, driverName))
	set(nil, drivers.Delete(ctx, driverName, meta.DeleteOptions{}))
	volumetest.Eventually(t, "work ends with the CSIDriver", r.are(3))
	set(drivers.Create(ctx, csiDriver(driverName, ByEngine), meta.CreateOptions{}))
	volumetest.Eventually(t, "work begins with a new one", r.are(4, driverName))
	stop()
	if err := <-ended; err != nil || !r.are(4)() {
		t.Errorf("run ended with %v, and works for %v", err, r.now)
	}
}
