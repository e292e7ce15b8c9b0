package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// JoinAsServer makes this machine a further server of the cluster: it gets what all
// servers share, and remembers the etcd cluster. An engine that is then started there
// does the rest. What would fail later is refused before anything is written, and the
// token goes to no server but the pinned one. It may be killed anywhere and repeated.
func JoinAsServer(ctx context.Context, config Config, server *url.URL, token join.Token, report func(string)) error {
	paths := Paths{DataDir: config.DataDir}
	if err := checkUnused(paths, config, token.Pin); err != nil {
		return err
	}
	client, _, err := approach(ctx, server, token, report)
	if err != nil {
		return err
	}
	same := knownNodeName(paths) == config.NodeName // the name is taken by this very machine
	if err := checkWelcome(ctx, client, config, token, join.OldestServer, same); err != nil {
		return err
	}
	common, err := fetchShared(ctx, client, token)
	if err != nil {
		return err
	}
	report("asking etcd at " + (EtcdAccess{Servers: common.Etcd}).String())
	if err := common.reachEtcd(ctx); err != nil {
		return err
	}
	report("taking over what the servers share")
	config.Etcd = sharedEtcd(paths, common.Etcd)
	if config.FeatureGates == "" {
		config.FeatureGates = common.FeatureGates
	}
	if err := beginJoin(config, paths); err != nil {
		return err
	}
	return common.write(paths)
}

// checkUnused refuses a data directory that has another use already.
func checkUnused(paths Paths, config Config, pin string) error {
	if config.Joined() {
		return fmt.Errorf("this machine is a node of the cluster at %s: take it out with `mainstay leave` first", config.Server)
	}
	known, err := clusterAuthority(paths)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case join.PinOf(known) != pin:
		return errOwnCluster(paths)
	}
	return nil
}

// fetchShared gets what the servers share: the token's own Secret holds it.
func fetchShared(ctx context.Context, client kubernetes.Interface, token join.Token) (shared, error) {
	secret, err := client.CoreV1().Secrets(metav1.NamespaceSystem).Get(ctx, bootstrapapi.BootstrapTokenSecretPrefix+token.ID(), metav1.GetOptions{})
	if apierrors.IsForbidden(err) {
		return shared{}, fmt.Errorf("the token %s is not for servers: mainstay token create --as-server makes one", token.ID())
	}
	if err != nil {
		return shared{}, fmt.Errorf("ask for what the servers share: %w", err)
	}
	return unseal(secret.Data[sharedKey], token)
}

// reachEtcd makes sure that etcd answers this machine.
func (s shared) reachEtcd(ctx context.Context) error {
	pair, err := tls.X509KeyPair(s.Files["external-etcd.crt"], s.Files["external-etcd.key"])
	if err != nil {
		return fmt.Errorf("the servers' certificate for etcd: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(s.Files["external-etcd-ca.crt"]) {
		return errors.New("the servers' authority for etcd is no certificate")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, RootCAs: authorities}
	if _, err := firstAnswer(ctx, s.Etcd, config); err != nil {
		return fmt.Errorf("%w; let this machine reach it, and join again", err)
	}
	return nil
}
