package volume

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// deviceStat is what a device has done since it exists, as of
// Documentation/block/stat.rst of the kernel.
type deviceStat struct {
	requests int64 // reads and writes that ended
	bytes    int64
	flushes  int64
	took     time.Duration
	inFlight int64
}

// readDeviceStat reads the numbers of a device such as /dev/loop1.
func readDeviceStat(device string) (deviceStat, error) {
	content, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "stat"))
	if err != nil {
		return deviceStat{}, err
	}
	field := func(i int) int64 {
		fields := strings.Fields(string(content))
		if i >= len(fields) {
			return 0 // flushes are counted since Linux 5.5
		}
		n, _ := strconv.ParseInt(fields[i], 10, 64) // the kernel's own format
		return n
	}
	return deviceStat{
		requests: field(0) + field(4),
		bytes:    512 * (field(2) + field(6)),
		flushes:  field(15),
		took:     time.Duration(field(3)+field(7)+field(16)) * time.Millisecond,
		inFlight: field(8),
	}, nil
}

// deviceNumber gives the number of a device as cgroups know it, such as 7:1.
func deviceNumber(device string) (string, error) {
	content, err := os.ReadFile(filepath.Join("/sys/block", filepath.Base(device), "dev"))
	return strings.TrimSpace(string(content)), err
}
