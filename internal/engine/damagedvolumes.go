package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/sys/mountinfo"
)

// removeDamaged removes the notes of kubelet on volumes that did not reach the disk before
// the power went. Kubelet can neither read nor remove them, and would keep the directories
// of such pods, and complain, for ever. Of a pod that is still there it writes them again.
func removeDamaged(kubeletDir string) error {
	notes, err := filepath.Glob(filepath.Join(kubeletDir, "pods", "*", "volumes", "kubernetes.io~csi", "*", "vol_data.json"))
	if err != nil {
		return err
	}
	for _, note := range notes {
		content, err := os.ReadFile(note)
		if err == nil && json.Valid(content) {
			continue
		}
		mounted, isMounted := mountinfo.Mounted(filepath.Join(filepath.Dir(note), "mount"))
		if errors.Is(isMounted, os.ErrNotExist) {
			isMounted = nil
		}
		if err = errors.Join(err, isMounted); err == nil && !mounted {
			err = os.Remove(note)
		}
		if err != nil {
			return fmt.Errorf("remove the damaged %s: %w", note, err)
		}
	}
	return nil
}
