package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// checkKubeletDir refuses a directory below which the driver would mount volumes
// that kubelet does not see. Its pods would write to the node's own disk instead.
func checkKubeletDir(dir string) error {
	if s, err := os.Stat(dir); err != nil || !s.IsDir() {
		return fmt.Errorf("there is no directory %s: say with --kubelet-dir where kubelet has its root directory", dir)
	}
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(resolved))
	if err != nil {
		return fmt.Errorf("look at the mounts: %w", err)
	}
	// In a container the directory is a mount of its own. Where it is none, there
	// is no container between kubelet and us.
	if len(mounts) > 0 && !strings.Contains(mounts[len(mounts)-1].Optional, "shared:") {
		return fmt.Errorf("kubelet would not see what is mounted below %s: in a pod, mount it with mountPropagation: Bidirectional; "+
			"on the node, it must be on a shared mount (mount --make-rshared %[1]s)", dir)
	}
	return nil
}
