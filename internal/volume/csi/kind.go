package csi

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// kindFor gives what a volume of this request is to be: what its capabilities say,
// or a directory. The error has the code InvalidArgument.
func kindFor(r *spec.CreateVolumeRequest) (volume.FileSystem, error) {
	fs, err := fileSystemFor(r.GetVolumeCapabilities())
	if err != nil {
		return "", err
	}
	directory, err := volume.IsDirectory(r.GetParameters()[volume.BackendParameter])
	switch {
	case err != nil:
		return "", invalid("storage class: %v", err)
	case directory:
		return volume.Directory, fitsDirectory(r.GetVolumeCapabilities())
	}
	return fs, nil
}

// fitsDirectory refuses what a directory cannot be used as.
func fitsDirectory(capabilities []*spec.VolumeCapability) error {
	for _, c := range capabilities {
		if c.GetBlock() != nil {
			return invalid("a raw block volume cannot be a directory; use a class with %s: file", volume.BackendParameter)
		}
		if fs := c.GetMount().GetFsType(); fs != "" {
			return invalid("a directory has the file system of its pool, and the class asks for %s; remove that parameter from the class, or %s", fs, volume.BackendParameter)
		}
		if _, err := volume.DirectoryMountAttributes(c.GetMount().GetMountFlags()); err != nil {
			return invalid("%v", err)
		}
	}
	return nil
}
