package engine

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// EtcdAccess tells how to reach an etcd cluster.
type EtcdAccess struct {
	Servers  []string `json:"servers"` // https://host:port
	CAFile   string   `json:"caFile"`  // absolute, as the other two
	CertFile string   `json:"certFile"`
	KeyFile  string   `json:"keyFile"`
}

// Configured tells whether there is any.
func (a EtcdAccess) Configured() bool { return len(a.Servers) > 0 }

// String names the cluster in messages.
func (a EtcdAccess) String() string { return strings.Join(a.Servers, ",") }

// The keys below which Kubernetes keeps its state, and where the API server
// notes the authority of its clients' certificates: it tells whose state it is.
const (
	etcdPrefix       = "/registry/"
	etcdAuthorityKey = etcdPrefix + "configmaps/kube-system/extension-apiserver-authentication"
)

// etcdPatience is how long an etcd cluster may take for an answer.
const etcdPatience = 5 * time.Second

// checkEtcd looks whether the etcd cluster can be used, and makes sure that
// nobody meets a state that is not theirs: neither this machine that of another
// Kubernetes, nor pods and volumes that are here an empty one.
func checkEtcd(ctx context.Context, config Config) error {
	remembered, err := RememberedChoices(config.DataDir)
	if err != nil {
		return err
	}
	if !config.Etcd.Configured() {
		if remembered.Etcd.Configured() {
			return fmt.Errorf("the state of %s lies in the etcd cluster at %s: start with that, or choose another --data-dir",
				config.DataDir, remembered.Etcd)
		}
		return nil
	}
	for _, server := range config.Etcd.Servers {
		if !strings.HasPrefix(server, "https://") {
			return fmt.Errorf("--etcd-servers %s: write it as https://HOST:PORT; mainstay speaks to etcd by TLS alone", server)
		}
	}
	empty, record, err := config.Etcd.identify(ctx)
	if err != nil {
		return err
	}
	paths := Paths{DataDir: config.DataDir}
	authority, err := os.ReadFile(paths.pkiFile("ca.crt"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	_, err = os.Stat(paths.nodeName())
	used, begun := err == nil, remembered.Etcd.Configured()
	switch {
	case empty && used:
		return fmt.Errorf("the etcd cluster at %s holds no state, but %s has been in use: start with the etcd that it was used with, "+
			"restore a snapshot into this one, or choose another --data-dir", config.Etcd, config.DataDir)
	case empty, recordNames(record, authority):
		return nil
	case len(record) == 0 && begun: // a first start ended before the record was made
		return nil
	case begun && len(authority) == 0:
		return fmt.Errorf("this machine has not finished joining the servers on the etcd cluster at %s: run `mainstay join` again", config.Etcd)
	}
	return fmt.Errorf("the etcd cluster at %s holds the state of another Kubernetes, or of a data directory that is gone: "+
		"choose another cluster, or remove what it holds (etcdctl del --prefix %s)", config.Etcd, etcdPrefix)
}

// recordNames tells whether the record of an API server names this authority.
func recordNames(record, authority []byte) bool {
	block, _ := pem.Decode(authority)
	return block != nil && bytes.Contains(record, bytes.TrimSpace(pem.EncodeToMemory(block)))
}

// identify reads whether the cluster is empty, and whose state it holds if not.
func (a EtcdAccess) identify(ctx context.Context) (empty bool, record []byte, err error) {
	config, err := a.tls()
	if err != nil {
		return false, nil, err
	}
	server, err := a.answering(ctx)
	if err != nil {
		return false, nil, fmt.Errorf("%w; start it, or correct --etcd-servers and the certificates", err)
	}
	// That server alone: a client that is closed while it still connects to others
	// makes gRPC write warnings to the user's terminal.
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{server}, TLS: config, Logger: zap.NewNop()})
	if err != nil {
		return false, nil, err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	anything, err := client.Get(ctx, etcdPrefix, clientv3.WithPrefix(), clientv3.WithLimit(1), clientv3.WithKeysOnly())
	if err == nil {
		var found *clientv3.GetResponse
		if found, err = client.Get(ctx, etcdAuthorityKey); err == nil {
			for _, pair := range found.Kvs {
				record = pair.Value
			}
			return len(anything.Kvs) == 0, record, nil
		}
	}
	return false, nil, fmt.Errorf("the etcd cluster at %s answers, but cannot be read (has it a majority? etcdctl endpoint health): %w", a, err)
}

// answering returns the first server that answers; if none does, why.
func (a EtcdAccess) answering(ctx context.Context) (string, error) {
	config, err := a.tls()
	if err != nil {
		return "", err
	}
	return firstAnswer(ctx, a.Servers, config)
}

func firstAnswer(ctx context.Context, servers []string, config *tls.Config) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, etcdPatience)
	defer cancel()
	config.NextProtos = []string{"h2"} // what etcd speaks
	type answer struct {
		server string
		err    error
	}
	answers := make(chan answer, len(servers))
	for _, server := range servers {
		go func() { answers <- answer{server, shakeHands(ctx, config, server)} }()
	}
	var reason error
	for range servers {
		first := <-answers
		if first.err == nil {
			return first.server, nil
		}
		reason = first.err
	}
	return "", fmt.Errorf("etcd does not answer: %w", reason)
}

func (a EtcdAccess) tls() (*tls.Config, error) {
	config, err := transport.TLSInfo{TrustedCAFile: a.CAFile, CertFile: a.CertFile, KeyFile: a.KeyFile}.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("etcd cannot be asked with %s, %s and %s: %w", a.CAFile, a.CertFile, a.KeyFile, err)
	}
	return config, nil
}

// shakeHands connects to a server until it is certain that both accept the
// other's certificate. Unlike the client of etcd it says what is wrong.
func shakeHands(ctx context.Context, config *tls.Config, server string) error {
	connection, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", strings.TrimPrefix(server, "https://"))
	if err != nil {
		return fmt.Errorf("%s: %w", server, err)
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	// A server that refuses our certificate says so after the handshake. One that
	// does not speaks first, as HTTP/2 wants it.
	if _, err := connection.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("%s: %w", server, err)
	}
	return nil
}
