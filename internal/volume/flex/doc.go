// Package flex is FlexVolume's face of package volume: the driver
// mainstay.dev/volume, which kubelet runs as a program.
//
// kubelet runs `volume CALLOUT ARGUMENTS…` and takes everything that the program
// prints, on either output, for its answer: one JSON object
// (k8s.io/kubernetes/pkg/volume/flexvolume, driver-call.go). The package
// translates and checks, and decides nothing of its own. It promises that
//
//   - there is always exactly one answer, whatever happens, panics included;
//   - the exit status is 0 also for a failure. For another one kubelet would log
//     the arguments, in which it passes secrets;
//   - a callout may be killed at any point and be repeated. Nothing is remembered
//     between callouts: which volume is mounted where, the kernel tells;
//   - data is never deleted. FlexVolume has no call for it.
//
// What the caller owes: the installed driver (Install) is the only one that calls
// Run, so that logs do not get into the answer.
package flex
