// Package snapshots serves VolumeSnapshots and VolumeGroupSnapshots by
// upstream's controllers (kubernetes-csi/external-snapshotter).
//
// RunController runs once in a cluster: it binds each VolumeSnapshot to a
// VolumeSnapshotContent, for every CSI driver there is. RunNode runs on every
// node beside its driver, and has it take and delete the snapshots of the
// node's own volumes, so that no node needs another. A content is a node's by
// upstream's label "managed-by". Upstream's controller sets it on the contents of
// single snapshots; what it leaves unlabelled, groups and their members above
// all, is labelled by the node that holds the volume or the snapshot.
package snapshots
