package csi

import (
	spec "github.com/container-storage-interface/spec/lib/go/csi"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// A volume is on one node, so only the modes for one node can be had.
var servedModes = map[spec.VolumeCapability_AccessMode_Mode]bool{
	spec.VolumeCapability_AccessMode_SINGLE_NODE_WRITER:        true,
	spec.VolumeCapability_AccessMode_SINGLE_NODE_READER_ONLY:   true,
	spec.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER: true,
	spec.VolumeCapability_AccessMode_SINGLE_NODE_MULTI_WRITER:  true,
}

// fileSystemFor gives what a volume must be formatted with to be used in all of
// the ways asked for. The error has the code InvalidArgument.
func fileSystemFor(capabilities []*spec.VolumeCapability) (volume.FileSystem, error) {
	if len(capabilities) == 0 {
		return "", invalid("no volume capability was given")
	}
	var chosen volume.FileSystem
	for _, c := range capabilities {
		fs, err := fileSystemOf(c)
		if err != nil {
			return "", err
		}
		if chosen != "" && fs != chosen {
			return "", invalid("one volume cannot be both %s and %s", chosen, fs)
		}
		chosen = fs
	}
	return chosen, nil
}

func fileSystemOf(c *spec.VolumeCapability) (volume.FileSystem, error) {
	if mode := c.GetAccessMode().GetMode(); !servedModes[mode] {
		return "", invalid("access mode %s cannot be had: a volume lives on one node; use ReadWriteOnce or ReadWriteOncePod", mode)
	}
	if c.GetBlock() != nil {
		return volume.RawBlock, nil
	}
	if c.GetMount() == nil {
		return "", invalid("the volume capability names neither mount nor block")
	}
	switch fs := c.GetMount().GetFsType(); fs {
	case "", string(volume.Ext4):
		return volume.Ext4, nil
	case string(volume.XFS):
		return volume.XFS, nil
	default:
		return "", invalid("file system %q is not served; use ext4 or xfs", fs)
	}
}

// matches refuses to use a volume in a way that it was not made for. An empty
// file system type stands for whatever the volume has.
func matches(r volume.Record, c *spec.VolumeCapability) error {
	if c == nil {
		return invalid("no volume capability was given")
	}
	fs, err := fileSystemOf(c)
	if err != nil {
		return err
	}
	anyMount := c.GetMount() != nil && c.GetMount().GetFsType() == "" && r.FileSystem != volume.RawBlock
	if fs != r.FileSystem && !anyMount {
		return invalid("volume %s is %s and cannot be used as %s", r.ID, r.FileSystem, fs)
	}
	return nil
}
