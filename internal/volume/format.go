package volume

import (
	"context"
	"errors"
	"fmt"
	"strings"

	utilexec "k8s.io/utils/exec"
)

// formatCommand gives the command that makes a file system on an image file
// just allocated, which reads as zeros everywhere.
//
// Common to both: blocks of 4 KiB, and no discard, which would give the
// preallocated blocks back.
func formatCommand(fs FileSystem, image string) []string {
	if fs == XFS {
		// Sectors of 4 KiB, as the loop device will have.
		return []string{"mkfs.xfs", "-q", "-f", "-K", "-s", "size=4096", image}
	}
	return []string{
		"mkfs.ext4", "-q", "-F", "-b", "4096",
		// The whole volume is the application's; root needs no part of it.
		"-m", "0",
		// A file system that was found damaged must take no further writes.
		"-e", "remount-ro",
		// The image is zero already: neither mkfs nor the kernel, later and
		// behind the application's back, has to zero inode tables and journal.
		"-E", "nodiscard,assume_storage_prezeroed=1,lazy_itable_init=0,lazy_journal_init=1",
		image,
	}
}

// format makes the file system of a new volume. Raw block volumes need none.
func format(ctx context.Context, run utilexec.Interface, fs FileSystem, image string) error {
	if fs == RawBlock {
		return nil
	}
	command := formatCommand(fs, image)
	out, err := run.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	if err != nil && strings.Contains(string(out), "assume_storage_prezeroed") {
		// e2fsprogs before 1.47 does not know the option. It then writes the zeros.
		for i := range command {
			command[i] = strings.Replace(command[i], "assume_storage_prezeroed=1,", "", 1)
		}
		out, err = run.CommandContext(ctx, command[0], command[1:]...).CombinedOutput()
	}
	if errors.Is(err, utilexec.ErrExecutableNotFound) {
		return fmt.Errorf("%w: %s is not installed; install %s", ErrUnsupported, command[0],
			map[FileSystem]string{Ext4: "e2fsprogs", XFS: "xfsprogs"}[fs])
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
