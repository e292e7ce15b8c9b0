// Package halt stops pods without asking anybody: neither their processes, nor a
// container runtime, nor kubelet, nor an API.
//
// The promise: once Stop has returned without an error, no process of these pods
// executes an instruction, and none that is started in their cgroups does until
// Allow. What the kernel does for them already, such as a write to a network disk
// that waits for an answer, may still be done; against that the disk must be detached.
//
// Everything can be killed at any point and called again.
package halt
