package sidecars

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	kubelet "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

// registrationTimeout is how long one plugin may take to say who it is.
const registrationTimeout = 2 * time.Second

// findEndpoint returns the socket on which a driver serves, by asking the
// registration sockets below registryDir, as kubelet does.
func findEndpoint(ctx context.Context, registryDir, driver string) (string, error) {
	var found string
	var unanswered []error
	err := filepath.WalkDir(registryDir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it went while we looked
		}
		if err != nil || entry.Type() != fs.ModeSocket {
			return err
		}
		info, err := askRegistration(ctx, path)
		if err != nil {
			unanswered = append(unanswered, fmt.Errorf("%s: %w", path, err))
			return nil
		}
		if info.GetType() == kubelet.CSIPlugin && info.GetName() == driver {
			found = info.GetEndpoint()
			return fs.SkipAll
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	if found == "" {
		return "", errors.Join(append([]error{fmt.Errorf("no socket below %s registers the CSI driver %s", registryDir, driver)}, unanswered...)...)
	}
	return found, nil
}

func askRegistration(ctx context.Context, socket string) (*kubelet.PluginInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, registrationTimeout)
	defer cancel()
	connection, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials())) // a socket of root's
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	return kubelet.NewRegistrationClient(connection).GetInfo(ctx, &kubelet.InfoRequest{})
}
