package sidecars

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/informers"
)

// session is all work for one driver while it serves and this node leads.
type session struct {
	Config
	clients
	*driver
	// shared are the informers of all sidecars but for those of snapshots.
	shared informers.SharedInformerFactory
}

// makers make each sidecar ready to run. What they want to be told of must be
// asked of the informers here: those are started before the sidecars run.
var makers = map[sidecar]func(session) (func(context.Context), error){
	provisionerSidecar: session.provisioner,
	attacherSidecar:    session.attacher,
	resizerSidecar:     session.resizer,
	modifierSidecar:    session.modifier,
	snapshotterSidecar: session.snapshotter,
}

// run runs the driver's sidecars until ctx ends.
func (s session) run(ctx context.Context) error {
	s.shared = informers.NewSharedInformerFactory(s.kubernetes, resync)
	var group errgroup.Group
	var sidecars []func(context.Context)
	for _, name := range s.sidecars() {
		run, err := makers[name](s)
		if err != nil {
			return fmt.Errorf("begin the %s of the CSI driver %s: %w", name, s.name, err)
		}
		sidecars = append(sidecars, run)
	}
	s.shared.Start(ctx.Done())
	defer s.shared.Shutdown()
	for _, run := range sidecars {
		group.Go(func() error { run(ctx); return nil })
	}
	_ = group.Wait()
	<-ctx.Done() // a driver that needs no sidecar is asked only once, too
	return nil
}
