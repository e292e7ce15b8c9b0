package network

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// loopsBelow finds the loop devices whose files are below a path.
func loopsBelow(path string) ([]string, error) {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, err
	}
	var devices []string
	for _, file := range files {
		if backing, err := os.ReadFile(file); err == nil && strings.HasPrefix(string(backing), path+"/") {
			devices = append(devices, "/dev/"+strings.Split(file, "/")[3])
		}
	}
	return devices, nil
}

// detach frees loop devices, as soon as the kernel has given up the mounts on them.
func detach(devices []string) error {
	for _, device := range devices {
		file, err := os.OpenFile(device, os.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		err = unix.IoctlSetInt(int(file.Fd()), unix.LOOP_CLR_FD, 0)
		file.Close()
		if err != nil && !errors.Is(err, unix.ENXIO) { // it freed itself
			return fmt.Errorf("free %s: %w", device, err)
		}
	}
	err := poll(10*time.Second, func() (bool, error) {
		for _, device := range devices {
			if exists("/sys/block/" + filepath.Base(device) + "/loop/backing_file") {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("loop devices %v are still in use: %w", devices, err)
	}
	return nil
}
