// Package volume is the body of Mainstay's volumes: everything that happens to
// a volume on its node, behind whatever face asked for it (CSI in ./csi,
// FlexVolume in ./flex).
//
// A node has Pools. A Pool is a directory, or a block device that is mounted at one;
// it holds a file by which it is recognized, and is used only while that is there. A
// volume is a directory in it:
//
//	<pool>/.pool.json         the pool's identity, which the node remembers elsewhere
//	<pool>/<id>/volume.json   the Record: what was promised
//	<pool>/<id>/disk.img      a preallocated image, attached to a loop device while in use
//	<pool>/.lock              what keeps the processes that use the pool apart
//
// A volume with the backend "directory" has, instead of an image,
//
//	<pool>/<id>/files/        what its pods see, limited by a project quota (./quota)
//
// A snapshot is a directory of its own, too, and so is a group of snapshots:
//
//	<pool>/.snapshot-<id>/    snapshot.json, a Snapshot, and the image
//	<pool>/.group-<id>/<id>/  the same for each snapshot of the group
//
// What the package promises:
//
//   - A volume can always hold the bytes that it was created with, and never
//     more: its blocks are allocated at creation, and its file system is no
//     larger than they are. Of a directory the blocks are not allocated: its pool
//     gives them to no other volume, and others who write to the pool's disk may.
//   - A volume is formatted once, before it has a name under the pool. Nothing
//     that happens later ever formats it.
//   - A volume appears and disappears by one rename. Every operation may be
//     killed at any point and be repeated, with the same outcome.
//   - A pool that is not there is not made anew, and nothing is written where it
//     was. A device that holds anything is not formatted.
//   - No volume ever shows what a deleted one held.
//   - A snapshot is what its volume held at one moment, and those of a group are
//     all of the same. It owns its bytes, and its volume keeps its own.
//   - No volume stays frozen for a snapshot, whoever is killed.
//   - Nothing is remembered outside the kernel and the pool: loop devices are
//     found by their backing file, mounts in the mount table.
//
// What the caller owes: it holds the volume's Lock while it calls anything that
// is about one volume, and SnapshotLock or GroupLock for a snapshot or a group; it
// is asked to lock the volumes that are copied. Several processes may use one pool:
// the engine's CSI driver, and one process for each of kubelet's FlexVolume calls.
package volume
