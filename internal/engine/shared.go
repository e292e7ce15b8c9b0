package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"

	certutil "k8s.io/client-go/util/cert"
	kubeadmcrypto "k8s.io/kubernetes/cmd/kubeadm/app/util/crypto"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// shared is what all servers of a cluster have in common. Whoever has it can do
// anything to the cluster.
type shared struct {
	// Files are below pki/, by their names.
	Files map[string][]byte `json:"files"`
	// Etcd are the addresses of the etcd cluster.
	Etcd []string `json:"etcd"`
	// FeatureGates are Kubernetes', which must be the same on all servers.
	FeatureGates string `json:"featureGates,omitempty"`
}

// The files of pki/ that are the same on every server. That of the cluster's authority
// comes last: without it a data directory has nothing of the cluster (see checkEtcd).
var sharedFiles = []string{
	"ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub", encryptionFile,
	"external-etcd-ca.crt", "external-etcd.crt", "external-etcd.key", "ca.crt",
}

// sharedEtcd is how a server that has joined others reaches the etcd cluster.
func sharedEtcd(paths Paths, servers []string) EtcdAccess {
	return EtcdAccess{
		Servers: servers, CAFile: paths.pkiFile("external-etcd-ca.crt"),
		CertFile: paths.pkiFile("external-etcd.crt"), KeyFile: paths.pkiFile("external-etcd.key"),
	}
}

// gatherShared reads it on a server.
func gatherShared(paths Paths, choices Choices) (shared, error) {
	if err := checkManyServers(choices); err != nil {
		return shared{}, err
	}
	found := shared{Files: map[string][]byte{}, Etcd: choices.Etcd.Servers, FeatureGates: choices.FeatureGates}
	at := map[string]string{ // where its owner has put it
		"external-etcd-ca.crt": choices.Etcd.CAFile, "external-etcd.crt": choices.Etcd.CertFile, "external-etcd.key": choices.Etcd.KeyFile,
	}
	for _, name := range sharedFiles {
		file := at[name]
		if file == "" {
			file = paths.pkiFile(name)
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return shared{}, err
		}
		found.Files[name] = content
	}
	return found, nil
}

// checkManyServers refuses further servers where they could not share the state.
func checkManyServers(choices Choices) error {
	if !choices.Etcd.Configured() {
		return errors.New("the state of this cluster lies in this machine's own etcd, and goes with the machine: several servers need an etcd cluster that each of them reaches. " +
			"docs/external.md says how the state moves to one; then `mainstay up --etcd-servers ...`")
	}
	for _, server := range choices.Etcd.Servers {
		address, err := url.Parse(server)
		if err != nil {
			return err
		}
		if ip := net.ParseIP(address.Hostname()); address.Hostname() == "localhost" || ip.IsLoopback() {
			return fmt.Errorf("this server reaches etcd at %s, where other machines cannot: `mainstay down`, then `mainstay up --etcd-servers ...` with addresses that they reach", server)
		}
	}
	return nil
}

// seal encrypts it for who has the key (AES-GCM).
func (s shared) seal(key []byte) ([]byte, error) {
	content, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return kubeadmcrypto.EncryptBytes(content, key)
}

// unseal reads what was sealed for this token, and makes sure that it is whole and of
// the cluster that the token is for.
func unseal(sealed []byte, token join.Token) (shared, error) {
	var s shared
	content, err := kubeadmcrypto.DecryptBytes(sealed, token.Key)
	if err != nil {
		return s, errors.New("the token does not open what the servers share: copy the whole word that `mainstay token create --as-server` prints")
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("what the servers share cannot be read: %w", err)
	}
	for _, name := range sharedFiles {
		if len(s.Files[name]) == 0 {
			return s, fmt.Errorf("the server does not tell %s: is its version of mainstay that of this machine?", name)
		}
	}
	authority, err := certutil.ParseCertsPEM(s.Files["ca.crt"])
	if err != nil {
		return s, err
	}
	if join.PinOf(authority[0]) != token.Pin {
		return s, errors.New("what the servers share is of another cluster than the token")
	}
	return s, nil
}

// write puts it where an engine finds it. Killed half way, it leaves a directory of
// which checkEtcd says so.
func (s shared) write(paths Paths) error {
	for _, name := range sharedFiles {
		if err := writeFile(paths.pkiFile(name), s.Files[name]); err != nil {
			return err
		}
	}
	return nil
}
