package sidecars

import (
	"context"
	"errors"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	fakes "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/volumetest"
)

// always is the lease of a node that has none.
func always() bool { return true }

// A node whose lease has run out tells a driver to do nothing.
func TestOnlyWhile(t *testing.T) {
	v := newVendor(t)
	var holds atomic.Bool
	d, err := connect(t.Context(), served{name: v.Name}, v.Socket(), holds.Load)
	if err != nil {
		t.Fatalf("it may not even ask what the driver can: %v", err)
	}
	defer d.connection.Close()
	controller := spec.NewControllerClient(d.connection)
	remove := func() codes.Code {
		_, err := controller.DeleteVolume(t.Context(), &spec.DeleteVolumeRequest{VolumeId: "none"})
		return status.Code(err)
	}
	if code := remove(); code != codes.Unavailable {
		t.Errorf("without the lease: %s", code)
	}
	holds.Store(true)
	if code := remove(); code != codes.OK {
		t.Errorf("with it: %s", code)
	}
}

// A Lease that is taken from its holder goes to who waits, at once, though its turn is
// far; and the one before stops as soon as it sees that.
func TestLeadFreed(t *testing.T) {
	client, lease := fake.NewClientset(), leaseOf("kube-system", driverName)
	keepVersions(client)
	begin := func(node string, t terms) (started, ended chan struct{}, stop func()) {
		ctx, stop := context.WithCancel(context.Background())
		started, ended = make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			_ = lead(ctx, client, lease, node, t, func(ctx context.Context) { close(started); <-ctx.Done() })
		}()
		return started, ended, stop
	}
	startedA, endedA, stopA := begin("a", terms{duration: time.Minute, deadline: 50 * time.Second, period: 20 * time.Millisecond})
	defer stopA()
	<-startedA
	startedB, endedB, stopB := begin("b", terms{duration: time.Minute, deadline: 50 * time.Second, period: 40 * time.Second})
	// That b waits already cannot be seen. So the Lease is taken until b has it.
	began := time.Now()
	volumetest.Eventually(t, "b leads", func() bool {
		held, err := client.CoordinationV1().Leases(lease.Namespace).Get(t.Context(), lease.Name, meta.GetOptions{})
		if err != nil || held.Labels[v1alpha1.LeaderLabel] != v1alpha1.LeaderNode {
			t.Fatalf("the Lease is %v (%v)", held, err)
		}
		if ptr.Deref(held.Spec.HolderIdentity, "") == "b" {
			return true
		}
		held.Spec.HolderIdentity = nil
		_, _ = client.CoordinationV1().Leases(lease.Namespace).Update(t.Context(), held, meta.UpdateOptions{})
		return false
	})
	<-startedB
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("b led only after %v", took)
	}
	select {
	case <-endedA:
	case <-time.After(20 * time.Second):
		t.Error("a goes on")
	}
	stopB()
	<-endedB
}

// keepVersions has the in-memory API refuse updates of Leases that have changed since
// they were read, as the real one does.
func keepVersions(client *fake.Clientset) {
	version := 0
	client.PrependReactor("*", "leases", func(action fakes.Action) (bool, runtime.Object, error) {
		write, is := action.(fakes.UpdateAction)
		if !is {
			return false, nil, nil
		}
		lease := write.GetObject().(*coordination.Lease)
		if action.GetVerb() == "update" && lease.ResourceVersion != strconv.Itoa(version) {
			return true, nil, apierrors.NewConflict(coordination.Resource("leases"), lease.Name, errors.New("it has changed"))
		}
		version++
		lease.ResourceVersion = strconv.Itoa(version)
		return false, nil, nil
	})
}

func TestUntil(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	if err := until(ctx, always); err != nil {
		t.Error(err)
	}
	cancel()
	if err := until(ctx, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
