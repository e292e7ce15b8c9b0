// Package sidecars stands in for the containers that a CSI driver's vendor would
// put beside the driver: external-provisioner, external-attacher,
// external-resizer and external-snapshotter. It runs their packages, so that
// installing somebody else's driver needs the driver's own pods only.
//
// A driver asks for that by an annotation on its CSIDriver object (Annotation).
// It is never assumed: most drivers are installed together with sidecars, which
// may be anywhere and under any name, and two that attach the same volumes would
// undo each other's work.
//
// On each node Run follows which of those drivers have registered with the node's
// kubelet, and speaks to them on the sockets that they registered. Of all nodes
// where a driver serves, one works at a time: it holds the driver's Lease. What
// runs is what the driver says that it can (see abilities).
//
// The driver may come and go as it likes; what it does not answer is repeated.
package sidecars

// Upstream's packages are beside Kubernetes here.
import _ "github.com/mainstay-io/mainstay/internal/volume/sidecars/featuregates"
