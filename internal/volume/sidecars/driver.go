package sidecars

import (
	"context"
	"errors"
	"fmt"
	"time"

	spec "github.com/container-storage-interface/spec/lib/go/csi"
	"github.com/kubernetes-csi/csi-lib-utils/rpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	// introduction is how long a driver may take to say what it can do.
	introduction = 15 * time.Second
	// patience is how long a driver may be away before another node's may take its
	// place. It is longer than kubelet's longest pause between two starts of a
	// container (5 minutes): upstream's packages are made for processes that end,
	// and leave something in memory each time they are begun anew.
	patience = 6 * time.Minute
)

// driver is a CSI driver that serves, and what it can do.
type driver struct {
	abilities
	connection *grpc.ClientConn
}

// connect reaches the driver on its socket, to act while holds says so.
func connect(ctx context.Context, s served, endpoint string, holds func() bool) (*driver, error) {
	connection, err := grpc.NewClient("unix:"+endpoint,
		grpc.WithTransportCredentials(insecure.NewCredentials()), // a socket of root's
		grpc.WithIdleTimeout(0),                                  // so that it is noticed when the driver goes
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true)),
		grpc.WithUnaryInterceptor(onlyWhile(holds)))
	if err != nil {
		return nil, err
	}
	abilities, err := introduce(ctx, s, connection)
	if err != nil {
		connection.Close()
		return nil, fmt.Errorf("ask the CSI driver %s on %s what it can do: %w", s.name, endpoint, err)
	}
	return &driver{abilities, connection}, nil
}

// introduce asks the driver what it can do, once it says that it is ready.
func introduce(ctx context.Context, s served, connection *grpc.ClientConn) (can abilities, err error) {
	ctx, cancel := context.WithTimeout(ctx, introduction)
	defer cancel()
	can.served = s
	if err := rpc.ProbeForever(ctx, connection, introduction); err != nil {
		return can, err
	}
	name, err := rpc.GetDriverName(ctx, connection)
	if err != nil {
		return can, err
	}
	if name != s.name {
		return can, fmt.Errorf("it is the driver %s", name)
	}
	if can.plugin, err = rpc.GetPluginCapabilities(ctx, connection); err != nil {
		return can, err
	}
	if can.plugin[spec.PluginCapability_Service_CONTROLLER_SERVICE] {
		if can.controller, err = rpc.GetControllerCapabilities(ctx, connection); err != nil {
			return can, err
		}
	}
	if can.plugin[spec.PluginCapability_Service_GROUP_CONTROLLER_SERVICE] {
		if can.group, err = rpc.GetGroupControllerCapabilities(ctx, connection); err != nil {
			return can, err
		}
	}
	can.node, err = nodeCapabilities(ctx, connection)
	return can, err
}

func nodeCapabilities(ctx context.Context, connection *grpc.ClientConn) (map[spec.NodeServiceCapability_RPC_Type]bool, error) {
	answer, err := spec.NewNodeClient(connection).NodeGetCapabilities(ctx, &spec.NodeGetCapabilitiesRequest{})
	can := map[spec.NodeServiceCapability_RPC_Type]bool{}
	for _, capability := range answer.GetCapabilities() {
		can[capability.GetRpc().GetType()] = true
	}
	return can, err
}

// watch returns when the driver has been away for longer than patience, or ctx
// has ended.
func (d *driver) watch(ctx context.Context, patience time.Duration) error {
	for {
		reached, cancel := context.WithTimeout(ctx, patience)
		for state := d.connection.GetState(); state != connectivity.Ready; state = d.connection.GetState() {
			d.connection.Connect()
			if !d.connection.WaitForStateChange(reached, state) {
				cancel()
				if ctx.Err() != nil {
					return ctx.Err()
				}
				return errors.New("the driver does not serve any more")
			}
		}
		cancel()
		if !d.connection.WaitForStateChange(ctx, connectivity.Ready) {
			return ctx.Err()
		}
	}
}
