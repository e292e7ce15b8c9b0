// Package provisioner turns claims into volumes of this node's driver: it makes
// a volume for each claim that was given to the node, deletes it when its claim
// is gone, enlarges it when the claim grows, and publishes how much space is
// left. A claim that begins with a snapshot or another claim is made where that
// lies, whichever node the scheduler had in mind.
//
// Every node runs it for its own volumes only, so no leader is elected and a
// node's volumes need no other node. The loop around claims and persistent
// volumes is upstream's sig-storage-lib-external-provisioner. (Upstream's
// external-provisioner, which package sidecars runs for other people's drivers,
// does not go to where the beginning of a claim lies.)
package provisioner
