package volume

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// queueSettings are those of a volume's device (Documentation/ABI/stable/sysfs-block
// of the kernel). A loop device keeps what an earlier user of its number has set: so
// nothing is left as it is found that a promise depends on.
var queueSettings = []struct{ file, value string }{
	// Else flushes end here, and what was acknowledged is in the disk's cache only.
	{"write_cache", "write back"},
	// The device's users do not give preallocated blocks back to the pool, where
	// somebody else would take them.
	{"discard_max_bytes", "0"},
	// The governor sees by them what a volume does.
	{"iostats", "1"},
}

// settleQueue gives a volume's device its settings. It may be in use.
func settleQueue(device string) error {
	for _, s := range queueSettings {
		path := filepath.Join("/sys/block", filepath.Base(device), "queue", s.file)
		content, err := os.ReadFile(path)
		if err == nil && strings.TrimSpace(string(content)) != s.value {
			err = os.WriteFile(path, []byte(s.value), 0)
		}
		if err != nil {
			return fmt.Errorf("prepare the device of a volume: set %s of %s to %q: %w", s.file, device, s.value, err)
		}
	}
	return nil
}
