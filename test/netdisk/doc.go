// Package netdisk is an EBS in small, for tests: disks on the network, each attached
// to one node at a time, with a CSI driver.
//
// The server (Server) keeps the disks and decides who may write. It runs outside of
// the hosts, so that a partition comes between. Whoever a disk was detached from is
// refused from that moment on, whatever he had under way. Every attachment,
// detachment and write goes into a record with its node and the epoch of the
// attachment; Judge reads there whether two nodes ever had one disk.
//
// On a node the disk is a block device, and the volume a file system of the kernel on
// it: a file in a FUSE file system carries the device's reads, writes and flushes to
// the server (Device), and a loop device makes a device of it. While the server
// cannot be reached they wait, as those of a real disk on the network do; after a
// time they fail, and with them the file system.
//
// The server trusts whoever reaches it, and tells no node from another: it is for the
// networks of tests.
package netdisk
