// Package csi is the Container Storage Interface's face of package volume: the
// driver volume.mainstay.dev (CSI specification 1.12).
//
// It translates and checks, and decides nothing of its own. It promises that
// calls for one volume, snapshot or group run one after another, that every error has the code
// that the specification gives it, and that nothing but a call's name, volume
// and outcome is logged. Volumes are for one node; no call needs another node.
package csi
