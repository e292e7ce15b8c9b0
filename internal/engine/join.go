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
	config.Server = server.String()
	if err := checkUnjoined(paths, token.Pin); err != nil {
		return err
	}
	client, ca, err := approach(ctx, server, token, report)
	if err != nil {
		return err
	}
	identity, err := currentIdentity(config, paths)
	same := err == nil && identity.Leaf.Subject.CommonName == nodeUser(config.NodeName) // the name is taken by this very machine
	if err := checkWelcome(ctx, client, config, token, join.OldestKubelet, same); err != nil {
		return err
	}
	report("getting this machine's identity")
	if err := beginJoin(config, paths); err != nil {
		return err
	}
	if err := writeFile(paths.pkiFile("ca.crt"), ca); err != nil {
		return err
	}
	kubelet := partsEverywhere(config.NodeName)[0]
	store, err := kubelet.store(paths)
	if err != nil {
		return err
	}
	return obtain(ctx, client, kubelet, store)
}

// approach makes sure of the server, and returns a client that acts for the bearer of
// the token, and the cluster's authority.
func approach(ctx context.Context, server *url.URL, token join.Token, report func(string)) (kubernetes.Interface, []byte, error) {
	report("asking the server at " + server.Host)
	reached, err := join.Reach(ctx, server, token.Pin)
	if err != nil {
		return nil, nil, err
	}
	if err := join.CheckClock(reached.Ahead); err != nil {
		return nil, nil, err
	}
	ca, err := reached.AuthorityPEM()
	if err != nil {
		return nil, nil, err
	}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: server.String(), BearerToken: token.Bootstrap, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, UserAgent: "mainstay-join",
	})
	return client, ca, err
}

// checkUnjoined refuses a data directory that belongs to another cluster.
func checkUnjoined(paths Paths, pin string) error {
	if _, err := os.Stat(paths.pkiFile("ca.key")); err == nil {
		return errOwnCluster(paths)
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

func errOwnCluster(paths Paths) error {
	return fmt.Errorf("%s holds a cluster of its own: remove it with `mainstay down --purge`, or choose another --data-dir", paths.DataDir)
}

// checkWelcome refuses what the server would not have: a token that it does not know,
// a version too far from its own, a name that is taken, unless by this very machine.
func checkWelcome(ctx context.Context, client kubernetes.Interface, config Config, token join.Token, oldest uint, same bool) error {
	there, err := client.Discovery().ServerVersion()
	if apierrors.IsUnauthorized(err) {
		return fmt.Errorf("the server does not know the token %s: it has expired, or was deleted. Make a new one on the server: mainstay token create", token.ID())
	}
	if err != nil {
		return fmt.Errorf("ask the server for its version: %w", err)
	}
	if err := join.CheckVersion(there.GitVersion, version.Get().GitVersion, oldest); err != nil || same {
		return err
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

// beginJoin writes down where the cluster is. From here on the machine is one that has
// not finished joining.
func beginJoin(config Config, paths Paths) error {
	if err := paths.create(); err != nil {
		return err
	}
	if err := writeDataVersion(paths); err != nil {
		return err
	}
	if err := config.remember(paths); err != nil {
		return err
	}
	return writeFile(paths.nodeName(), []byte(config.NodeName+"\n"))
}

// clusterAuthority is the certificate authority of the cluster on a data directory.
func clusterAuthority(paths Paths) (*x509.Certificate, error) {
	certs, err := certutil.CertsFromFile(paths.pkiFile("ca.crt"))
	if err != nil {
		return nil, err
	}
	return certs[0], nil
}
