package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/component-base/version"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// Join makes this machine a node of the cluster at the server, as far as that takes
// a token: it gets the node's identity, and remembers where the cluster is. An engine
// that is then started there does the rest. What would fail later is refused before
// anything is written, and the token goes to no server but the pinned one. It may be
// killed anywhere and repeated.
func Join(ctx context.Context, config Config, server *url.URL, token join.Token, report func(string)) error {
	paths := Paths{DataDir: config.DataDir}
	if err := checkUnjoined(paths, token.Pin); err != nil {
		return err
	}
	report("asking the server at " + server.Host)
	reached, err := join.Reach(ctx, server, token.Pin)
	if err != nil {
		return err
	}
	if err := join.CheckClock(reached.Ahead); err != nil {
		return err
	}
	ca, err := reached.AuthorityPEM()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: server.String(), BearerToken: token.Bootstrap, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, UserAgent: "mainstay-join",
	})
	if err != nil {
		return err
	}
	if err := checkWelcome(ctx, client, config, paths, token); err != nil {
		return err
	}
	report("getting this machine's identity")
	if err := prepareJoin(config, paths, ca); err != nil {
		return err
	}
	kubelet := partsEverywhere(config.NodeName)[0]
	store, err := kubelet.store(paths)
	if err != nil {
		return err
	}
	return obtain(ctx, client, kubelet, store)
}

// checkUnjoined refuses a data directory that belongs to another cluster.
func checkUnjoined(paths Paths, pin string) error {
	if _, err := os.Stat(paths.pkiFile("ca.key")); err == nil {
		return fmt.Errorf("%s holds a cluster of its own: remove it with `mainstay down --purge`, or choose another --data-dir", paths.DataDir)
	}
	known, err := clusterAuthority(paths)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if join.PinOf(known) != pin {
		return errors.New("this machine is a node of another cluster: take it out with `mainstay leave` first")
	}
	return nil
}

// checkWelcome refuses what the server would not have: a token that it does not know,
// another version, a name that is taken.
func checkWelcome(ctx context.Context, client kubernetes.Interface, config Config, paths Paths, token join.Token) error {
	there, err := client.Discovery().ServerVersion()
	if apierrors.IsUnauthorized(err) {
		return fmt.Errorf("the server does not know the token %s: it has expired, or was deleted. Make a new one on the server: mainstay token create", token.ID())
	}
	if err != nil {
		return fmt.Errorf("ask the server for its version: %w", err)
	}
	if err := join.CheckVersion(there.GitVersion, version.Get().GitVersion); err != nil {
		return err
	}
	if identity, err := currentIdentity(config, paths); err == nil && identity.Leaf.Subject.CommonName == nodeUser(config.NodeName) {
		return nil // the name is taken by this very machine
	}
	node, err := client.CoreV1().Nodes().Get(ctx, config.NodeName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("ask the server for its nodes: %w", err)
	}
	return join.CheckName(node)
}

// prepareJoin writes down where the cluster is. From here on the machine is a node
// that has not finished joining.
func prepareJoin(config Config, paths Paths, ca []byte) error {
	if err := paths.create(); err != nil {
		return err
	}
	if err := writeDataVersion(paths); err != nil {
		return err
	}
	if err := config.remember(paths); err != nil {
		return err
	}
	if err := writeFile(paths.nodeName(), []byte(config.NodeName+"\n")); err != nil {
		return err
	}
	return writeFile(paths.pkiFile("ca.crt"), ca)
}

// clusterAuthority is the certificate authority of the cluster on a data directory.
func clusterAuthority(paths Paths) (*x509.Certificate, error) {
	certs, err := certutil.CertsFromFile(paths.pkiFile("ca.crt"))
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}
