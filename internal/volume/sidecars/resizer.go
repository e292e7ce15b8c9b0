package sidecars

import (
	"context"

	upstream "github.com/kubernetes-csi/external-resizer/v2/pkg/controller"
	modifiers "github.com/kubernetes-csi/external-resizer/v2/pkg/modifier"
	"github.com/kubernetes-csi/external-resizer/v2/pkg/modifycontroller"
	resizers "github.com/kubernetes-csi/external-resizer/v2/pkg/resizer"
)

// resizer lets volumes grow with their claims.
func (s session) resizer() (func(context.Context), error) {
	resize, err := resizers.NewResizerFromClient(resizeClient{s.driver}, callTimeout, s.kubernetes, s.name)
	if err != nil {
		return nil, err
	}
	// Upstream would watch all pods, to save calls for volumes in use to a driver
	// that refuses those. The pauses between attempts save enough.
	const watchPods = false
	control := upstream.NewResizeController(s.name, resize, s.kubernetes, resync, s.shared, retries[string](), watchPods, lastRetry)
	return func(ctx context.Context) { control.Run(threads, ctx, nil) }, nil
}

// modifier gives volumes what the VolumeAttributesClasses of their claims say.
func (s session) modifier() (func(context.Context), error) {
	const withMetadata = false
	modify, err := modifiers.NewModifierFromClient(resizeClient{s.driver}, callTimeout, s.kubernetes, s.shared, withMetadata, s.name)
	if err != nil {
		return nil, err
	}
	control := modifycontroller.NewModifyController(s.name, modify, s.kubernetes, resync, lastRetry, withMetadata, s.shared, retries[string]())
	return func(ctx context.Context) { control.Run(threads, ctx, nil) }, nil
}
