package volume

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// throttle is where the kernel holds back requests of a device: the controller
// io of cgroup v2, or blkio of v1.
//
// With v2 a limit on the group of all pods holds for them together. With v1 it
// holds for each group by itself, and groups below it are not concerned: so the
// containers that have a volume get a limit each, and the root another, for what
// the kernel writes back for them.
type throttle struct {
	root string
	v2   bool
	// steps: a limit falls in steps, for this kernel's sake (see qos.Limit.Toward).
	steps bool
}

// findThrottle looks for the controller below a mount point such as
// /sys/fs/cgroup. The error wraps ErrUnsupported where there is none.
func findThrottle(mounted string) (throttle, error) {
	steps := fallsInSteps(kernelRelease())
	if controllers, err := os.ReadFile(filepath.Join(mounted, "cgroup.controllers")); err == nil {
		for _, name := range strings.Fields(string(controllers)) {
			if name == "io" {
				return throttle{mounted, true, steps}, nil
			}
		}
	}
	blkio := filepath.Join(mounted, "blkio")
	if _, err := os.Stat(filepath.Join(blkio, "blkio.throttle.write_bps_device")); err == nil {
		return throttle{blkio, false, steps}, nil
	}
	return throttle{}, fmt.Errorf("%w: this kernel cannot limit a device (there is neither the cgroup controller io nor blkio with throttling)", ErrUnsupported)
}

// fallsInSteps says whether a kernel of that release, such as 6.1.0-13-amd64, may take
// what it let through too early for a huge credit when a limit falls. Linux 6.0 began to
// carry it over, and 6.6 compares it rightly; vendors have brought the former to older
// kernels. One that cannot be told is taken for old: there limits only fall later.
func fallsInSteps(release string) bool {
	var major, minor int
	_, err := fmt.Sscanf(release, "%d.%d", &major, &minor)
	return err != nil || major < 6 || major == 6 && minor < 6
}

func kernelRelease() string {
	var u unix.Utsname
	_ = unix.Uname(&u) // it fails only for a bad address
	return unix.ByteSliceToString(u.Release[:])
}

// set holds what a group does to a device, such as 7:1, to limits.
func (t throttle) set(group, device string, reads, writes qos.Limit) error {
	if t.v2 {
		line := fmt.Sprintf("%s riops=%s wiops=%s rbps=%s wbps=%s", device,
			orMax(reads.IOPS), orMax(writes.IOPS), orMax(reads.Throughput), orMax(writes.Throughput))
		return writeGroupFile(group, "io.max", line)
	}
	for _, l := range []struct {
		file  string
		value int64
	}{
		{"read_iops", reads.IOPS}, {"write_iops", writes.IOPS}, {"read_bps", reads.Throughput}, {"write_bps", writes.Throughput},
	} {
		if err := writeGroupFile(group, "blkio.throttle."+l.file+"_device", fmt.Sprintf("%s %d", device, l.value)); err != nil {
			return err
		}
	}
	return nil
}

// writeGroupFile sees nothing wrong in a group that is gone.
func writeGroupFile(group, file, line string) error {
	err := os.WriteFile(filepath.Join(group, file), []byte(line), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("limit a device: write %q to %s: %w", line, filepath.Join(group, file), err)
	}
	return nil
}

// inForce reads what a group is held to; nothing where it is not limited, or is gone.
func (t throttle) inForce(group, device string) (reads, writes qos.Limit) {
	if t.v2 {
		return limitsV2(readLines(filepath.Join(group, "io.max")), device)
	}
	for file, into := range map[string]*int64{
		"read_iops": &reads.IOPS, "write_iops": &writes.IOPS, "read_bps": &reads.Throughput, "write_bps": &writes.Throughput,
	} {
		for _, line := range readLines(filepath.Join(group, "blkio.throttle."+file+"_device")) {
			if text, ok := strings.CutPrefix(line, device+" "); ok {
				*into, _ = strconv.ParseInt(text, 10, 64) // the kernel's own format
			}
		}
	}
	return reads, writes
}

// limitsV2 finds the line "7:1 rbps=1 wbps=max riops=3 wiops=max".
func limitsV2(lines []string, device string) (reads, writes qos.Limit) {
	valuesV2(lines, device, map[string]*int64{"riops": &reads.IOPS, "wiops": &writes.IOPS, "rbps": &reads.Throughput, "wbps": &writes.Throughput})
	return reads, writes
}

func orMax(limit int64) string {
	if limit == 0 {
		return "max"
	}
	return strconv.FormatInt(limit, 10)
}

// counted is what a group has done to a device ever since.
type counted struct{ reads, writes, readBytes, writtenBytes int64 }

// count reads what a group has done to a device; zero where it has done nothing,
// or is gone.
func (t throttle) count(group, device string) counted {
	if t.v2 {
		return countedV2(readLines(filepath.Join(group, "io.stat")), device)
	}
	requests := readLines(filepath.Join(group, "blkio.throttle.io_serviced"))
	bytes := readLines(filepath.Join(group, "blkio.throttle.io_service_bytes"))
	return counted{
		reads: valueV1(requests, device, "Read"), writes: valueV1(requests, device, "Write"),
		readBytes: valueV1(bytes, device, "Read"), writtenBytes: valueV1(bytes, device, "Write"),
	}
}

func readLines(path string) []string {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return strings.Split(string(content), "\n")
}

// valueV1 finds the line "7:1 Read 123".
func valueV1(lines []string, device, what string) int64 {
	for _, line := range lines {
		if text, ok := strings.CutPrefix(line, device+" "+what+" "); ok {
			n, _ := strconv.ParseInt(text, 10, 64) // the kernel's own format
			return n
		}
	}
	return 0
}

// countedV2 finds the line "7:1 rbytes=1 wbytes=2 rios=3 wios=4 ...".
func countedV2(lines []string, device string) (c counted) {
	valuesV2(lines, device, map[string]*int64{"rios": &c.reads, "wios": &c.writes, "rbytes": &c.readBytes, "wbytes": &c.writtenBytes})
	return c
}

// valuesV2 reads the numbers of a device's line; "max" is none.
func valuesV2(lines []string, device string, into map[string]*int64) {
	for _, line := range lines {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != device {
			continue
		}
		for _, field := range fields[1:] {
			name, value, _ := strings.Cut(field, "=")
			if n, known := into[name]; known {
				*n, _ = strconv.ParseInt(value, 10, 64) // the kernel's own format
			}
		}
	}
}
