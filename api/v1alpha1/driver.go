package v1alpha1

// VolumeDriver is the name of Mainstay's own CSI driver, in classes and in volumes. Its
// snapshots are on the same disk as the volume.
const VolumeDriver = "volume.mainstay.dev"
