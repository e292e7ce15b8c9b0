// Package engine runs a whole Kubernetes in one process, from upstream's own
// libraries: etcd, API server, scheduler, controllers, kubelet, proxy and DNS,
// with containerd as a child. It is the only package that knows that the API
// server lives in the same process; everything else talks to the Kubernetes API.
//
// Each component has a file of its own; start.go lists them in the order in
// which they start. The package promises that
//
//   - everything the engine keeps lies below one directory (Paths),
//   - the engine may be killed at any point: pods keep running, and the next
//     start takes them over,
//   - Stop ends pods in order, and Purge leaves nothing behind.
package engine
