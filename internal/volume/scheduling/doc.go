// Package scheduling lets kube-scheduler place pods by the performance that
// their volumes are to be promised, as upstream's VolumeBinding does by space. It
// is a plugin of the scheduler framework (KEP-624).
//
// A node fits a pod if its pools can promise what the pod's claims ask for that
// have no volume yet; package qos decides, from what the resource Pool tells. The
// node has the last word: what it refuses is scheduled again.
//
// What the package promises:
//
//   - A pod whose claims ask for no performance is scheduled as if there were no
//     plugin. So is every pod before the kind Pool is served.
//   - What was promised a moment ago is not promised again: it counts from the
//     moment at which the scheduler has chosen, until the Pool shows it.
//   - A pod that fits nowhere says which pool lacks what, and so do its claims. It
//     is tried again when one of these pools has room.
package scheduling
