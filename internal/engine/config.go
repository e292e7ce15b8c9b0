package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"net"
	"path/filepath"
)

// DefaultDataDir is where the engine keeps its state unless told otherwise.
const DefaultDataDir = "/var/lib/mainstay"

// The addresses of the cluster. They are the same on every machine, so that a
// cluster can grow from one node to many without being renumbered.
const (
	PodCIDR       = "10.42.0.0/16"
	ServiceCIDR   = "10.43.0.0/16"
	ClusterDomain = "cluster.local"

	apiServiceIP = "10.43.0.1"
	dnsServiceIP = "10.43.0.10"
)

// The ports that the engine listens on. All but dnsPort want a client
// certificate, or a token where Kubernetes knows them.
const (
	APIPort        = 6443
	kubeletPort    = 10250
	metricsPort    = 10251
	etcdClientPort = 2379
	etcdPeerPort   = 2380
	dnsPort        = 10053
)

// Config says what a person may choose about an engine.
type Config struct {
	// DataDir holds everything the engine keeps. Absolute.
	DataDir string
	// NodeName is this machine's name in the cluster: a DNS label or subdomain.
	NodeName string
	// NodeIP is the address under which other machines reach this one.
	NodeIP net.IP
	// Choices are those that the engine remembers.
	Choices
}

// Instance names the kernel objects of this engine (cgroup, bridge, nftables
// table). The default directory gets the plain name; another one a suffix, so
// that two engines never clean away each other's things.
func Instance(dataDir string) string {
	if filepath.Clean(dataDir) == DefaultDataDir {
		return "mainstay"
	}
	sum := sha256.Sum256([]byte(filepath.Clean(dataDir)))
	return "mainstay-" + hex.EncodeToString(sum[:3])
}
