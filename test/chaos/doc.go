// Package chaos has tests alone: machines that are lost, one after the other, and the
// pet that must be back elsewhere, with its name, its disk and every acknowledged write.
//
// It is not a part of test/e2e, for it measures: it wants the processors for itself, and
// takes as long as it is told to (`make chaos`).
//
// Each machine is a host of test/hosts. Disks are those of test/netdisk, whose record
// tells who wrote. The hosts share a kernel, and so a clock: the pet says many times a
// second that it runs, with the time, in one file for all hosts, which tells whether two
// pets of one name ever ran (lives). A client asks for the pet by its DNS name, and
// remembers what was acknowledged.
package chaos
