package volume

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/mount-utils"
)

// cleanupPatience is how long operations that are under way may take to end.
const cleanupPatience = 10 * time.Second

// Cleanup unmounts and detaches every volume of the pool in poolDir, whoever has
// mounted it, and removes from kubeletDir the driver's registration and kubelet's
// hold on raw block volumes. Data stays. It needs no running engine, may be run
// again, and may be run where nothing is left to do.
//
// The pods that use the volumes must have ended. A volume that still has a user
// is named in the error, which wraps ErrInUse; the others are cleaned.
func Cleanup(poolDir, kubeletDir string) error {
	registration := removeMountPoint(RegistrationSocket(kubeletDir))
	pool, err := filepath.EvalSymlinks(poolDir)
	if errors.Is(err, os.ErrNotExist) {
		pool, err = poolDir, nil // whatever was there may still be attached
	}
	if err != nil {
		return err
	}
	if pool, err = filepath.Abs(pool); err != nil {
		return err
	}
	// A FlexVolume call that outlives its kubelet would mount behind our back. One
	// that hangs must not keep us: what it uses is named below.
	ctx, cancel := context.WithTimeout(context.Background(), cleanupPatience)
	defer cancel()
	if _, err := readIdentity(pool); err == nil {
		if unlock, err := lock(ctx, pool, wholeLock); err == nil {
			defer unlock()
		}
	}
	loops, err := findLoops(pool + "/")
	if err != nil {
		return err
	}
	failed := []error{registration, releaseDirectories(pool)}
	for _, l := range loops {
		// Nor may what froze a volume for a snapshot hold it.
		awaitGuard(filepath.Dir(l.backing), guardPatience)
		failed = append(failed, releaseHolders(l, kubeletDir), release(l))
	}
	return errors.Join(failed...)
}

// CleanupAll is Cleanup for the default pool and for all that are remembered in
// stateDir, whose devices it unmounts.
func CleanupAll(defaultDir, stateDir, kubeletDir string) error {
	failed := []error{Cleanup(defaultDir, kubeletDir)}
	all, err := recallAll(stateDir)
	failed = append(failed, err)
	for _, m := range all {
		cleaned := Cleanup(m.Directory, kubeletDir)
		failed = append(failed, cleaned)
		if m.Device != "" && cleaned == nil {
			failed = append(failed, unmountAll(m.Directory))
		}
	}
	return errors.Join(failed...)
}

// releaseHolders detaches the loop devices that kubelet puts on top of a raw
// block volume, below its own directory, to hold it open.
func releaseHolders(l loop, kubeletDir string) error {
	var ours unix.Stat_t
	if err := unix.Stat(l.device, &ours); err != nil {
		return err
	}
	kubelet, err := realPath(kubeletDir)
	if err != nil {
		return err
	}
	holders, err := findLoops(kubelet + "/")
	if err != nil {
		return err
	}
	for _, h := range holders {
		if held, err := deviceUnder(h); err != nil || held != ours.Rdev {
			continue // gone, or on top of something else
		}
		if err := detach(h); err != nil {
			return err
		}
	}
	return nil
}

// deviceUnder gives the number of the device by which a loop device is backed;
// 0 if that is a file.
func deviceUnder(l loop) (uint64, error) {
	device, err := os.Open(l.device)
	if err != nil {
		return 0, err
	}
	defer device.Close()
	info, err := unix.IoctlLoopGetStatus64(int(device.Fd()))
	if err != nil {
		return 0, err
	}
	return info.Rdevice, nil
}

// release unmounts and detaches one loop device.
func release(l loop) error {
	mounts, err := mountsOf(l.device)
	if err != nil {
		return err
	}
	if frozen, err := fileSystemMounts(l.device); err == nil {
		thaw(frozen) // a snapshot may have been killed together with its guard
	}
	mounter := mount.New("")
	for _, m := range slices.Backward(mounts) {
		if err := mounter.Unmount(m.Mountpoint); err != nil {
			return fmt.Errorf("%w: %s is mounted at %s: %w", ErrInUse, l.backing, m.Mountpoint, err)
		}
	}
	if !attached(l) {
		return nil // it went with its last mount
	}
	return detach(l)
}
