package volume

import (
	"fmt"
	"slices"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// podsByDevice finds the pods that have a device, by the paths at which kubelet
// mounts volumes for them.
func podsByDevice() (map[string][]string, error) {
	pods := map[string][]string{}
	mounts, err := mountinfo.GetMounts(nil)
	for _, m := range mounts {
		if uid := podOf(m.Mountpoint); uid != "" {
			number := mountedNumber(m)
			if !slices.Contains(pods[number], uid) {
				pods[number] = append(pods[number], uid)
			}
		}
	}
	return pods, err
}

// podOf gives the UID of the pod for which kubelet mounts a volume at path;
// empty if it does not.
func podOf(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts[:max(len(parts)-2, 0)] {
		if parts[i] == "pods" && strings.HasPrefix(parts[i+2], "volume") {
			return parts[i+1]
		}
	}
	if n := len(parts); n > 3 && parts[n-3] == "publish" {
		return parts[n-1] // a raw block volume
	}
	return ""
}

// mountedNumber gives the number of the device of a mount, or of the one whose
// node is mounted.
func mountedNumber(m *mountinfo.Info) string {
	if m.FSType == "devtmpfs" {
		number, _ := deviceNumber(m.Root) // empty matches no device
		return number
	}
	return fmt.Sprintf("%d:%d", m.Major, m.Minor)
}
