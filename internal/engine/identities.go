package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/kubernetes"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcertificate "k8s.io/client-go/util/certificate"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// A machine that has joined signs nothing itself. The identities of its parts are
// signed by the cluster: kubelet's for the token, the others for kubelet's. Each is a
// file NAME-current.pem in pki/ with certificate and key, and renewed in time.

// partsEverywhere are the clients that every machine has.
func partsEverywhere(nodeName string) []certificate {
	ca := authorities(nodeName)[0]
	return slices.DeleteFunc(slices.Clone(ca.certificates), func(c certificate) bool { return !c.everywhere })
}

func (c certificate) subject() pkix.Name {
	name := pkix.Name{CommonName: c.commonName}
	if c.organization != "" {
		name.Organization = []string{c.organization}
	}
	return name
}

// signer is who signs a client's certificate.
func (c certificate) signer() string {
	if c.organization == user.NodesGroup {
		return certificatesv1.KubeAPIServerClientKubeletSignerName
	}
	return certificatesv1.KubeAPIServerClientSignerName
}

func (c certificate) store(paths Paths) (clientcertificate.FileStore, error) {
	return clientcertificate.NewFileStoreWithLogger(klog.Background().V(4), c.name, paths.pki(), paths.pki(), "", "")
}

// writeNodeKubeconfigs writes for each part of a machine that has joined who it is. They
// find a server where a server's own parts do: through the door.
func writeNodeKubeconfigs(config Config, paths Paths) error {
	ca, err := os.ReadFile(paths.pkiFile("ca.crt"))
	if err != nil {
		return err
	}
	for _, part := range partsEverywhere(config.NodeName) {
		store, err := part.store(paths)
		if err != nil {
			return err
		}
		identity := &clientcmdapi.AuthInfo{ClientCertificate: store.CurrentPath(), ClientKey: store.CurrentPath(), AuthProvider: providerOf(part.name)}
		if err := writeKubeconfig(paths.kubeconfigOf(part.name), ownServer, ca, part.name, identity); err != nil {
			return err
		}
	}
	return nil
}

// checkIdentity refuses a machine whose own identity the cluster would refuse.
func checkIdentity(config Config, paths Paths, now time.Time) error {
	current, err := currentIdentity(config, paths)
	var none *clientcertificate.NoCertKeyError
	switch {
	case errors.As(err, &none):
		return fmt.Errorf("this machine has not finished joining %s: run `mainstay join` again", config.Server)
	case err != nil:
		return err
	case now.After(current.Leaf.NotAfter):
		return fmt.Errorf("this machine's certificate for %s ended on %s, while it was off: run `mainstay join` again, with a new token",
			config.Server, current.Leaf.NotAfter.Format(time.DateOnly))
	case current.Leaf.Subject.CommonName != nodeUser(config.NodeName):
		return fmt.Errorf("this machine has joined as another node (%s): its name cannot change", current.Leaf.Subject.CommonName)
	}
	return nil
}

// currentIdentity is the machine's own identity: kubelet's.
func currentIdentity(config Config, paths Paths) (*tls.Certificate, error) {
	store, err := partsEverywhere(config.NodeName)[0].store(paths)
	if err != nil {
		return nil, err
	}
	return store.Current()
}

// ensureIdentities gets what is missing of the parts' identities. That needs the
// server; when nothing is missing, as at every start but the first, nothing does.
func ensureIdentities(ctx context.Context, client kubernetes.Interface, config Config, paths Paths) error {
	for _, part := range partsEverywhere(config.NodeName) {
		store, err := part.store(paths)
		if err != nil {
			return err
		}
		if current, err := store.Current(); err == nil && time.Now().Before(current.Leaf.NotAfter) {
			continue
		}
		if err := waitForServer(ctx, client, config); err != nil {
			return err
		}
		if err := obtain(ctx, client, part, store); err != nil {
			return err
		}
	}
	return nil
}

// obtain asks the cluster for a part's identity, in the client's own name.
func obtain(ctx context.Context, client kubernetes.Interface, part certificate, store clientcertificate.FileStore) error {
	cert, key, err := join.Request(ctx, client, part.signer(), part.subject())
	if err != nil {
		return fmt.Errorf("get the identity %s: %w", part.commonName, err)
	}
	_, err = store.Update(cert, key)
	return err
}

// renewIdentities renews the parts' identities before they end, until ctx does.
// Clients read the files again by themselves.
func renewIdentities(ctx context.Context, config Config, paths Paths, client kubernetes.Interface) error {
	for _, part := range partsEverywhere(config.NodeName) {
		store, err := part.store(paths)
		if err != nil {
			return err
		}
		manager, err := clientcertificate.NewManager(&clientcertificate.Config{
			Ctx: &ctx, Name: part.name,
			ClientsetFn: func(*tls.Certificate) (kubernetes.Interface, error) { return client, nil },
			Template:    &x509.CertificateRequest{Subject: part.subject()},
			SignerName:  part.signer(), Usages: join.ClientUsages, CertificateStore: store,
		})
		if err != nil {
			return err
		}
		manager.Start()
	}
	<-ctx.Done()
	return nil
}
