package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
	deviceplugin "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	"k8s.io/kubernetes/pkg/kubelet"
)

// cniResults is where containerd's CNI library notes what it has connected; the
// notes go with the pods.
const cniResults = "/var/lib/cni/results"

// removeOutside removes what kubelet and containerd leave at places that they give
// no choice of: links to the logs of containers, the socket for device plugins, an
// empty directory. Others of their kind may use the same places; what is theirs stays.
func removeOutside(dataDir string) error {
	links, err := filepath.Glob(filepath.Join(kubelet.DefaultContainerLogsDir, "*.log"))
	if err != nil {
		return err
	}
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !strings.HasPrefix(target, dataDir+string(filepath.Separator)) {
			continue
		}
		if err := os.Remove(link); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if !listens(deviceplugin.KubeletSocket) {
		if err := os.Remove(deviceplugin.KubeletSocket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	plugins := filepath.Clean(deviceplugin.DevicePluginPath)
	return errors.Join(
		removeIfEmpty(kubelet.DefaultContainerLogsDir),
		removeIfEmpty(plugins), removeIfEmpty(filepath.Dir(plugins)),
		removeIfEmpty(cniResults), removeIfEmpty(filepath.Dir(cniResults)),
	)
}

// removeIfEmpty leaves what is in use, and what somebody has put elsewhere by a
// mount or a link.
func removeIfEmpty(directory string) error {
	switch err := unix.Rmdir(directory); err {
	case nil, unix.ENOENT, unix.ENOTEMPTY, unix.EBUSY, unix.ENOTDIR:
		return nil
	default:
		return fmt.Errorf("remove %s: %w", directory, err)
	}
}
