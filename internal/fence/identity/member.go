package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clientcertificate "k8s.io/client-go/util/certificate"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// Member is the identity of a node's keeper.
type Member struct{ manager clientcertificate.Manager }

// Obtain returns when a member has its identity, which is kept in a directory, and renews
// it in time until ctx ends. client acts as the node's keeper. A certificate that is there from before does while
// the API is away.
func Obtain(ctx context.Context, client kubernetes.Interface, node string, address net.IP, dir string) (*Member, error) {
	store, err := clientcertificate.NewFileStoreWithLogger(klog.FromContext(ctx).V(4), "member", dir, dir, "", "")
	if err != nil {
		return nil, err
	}
	manager, err := clientcertificate.NewManager(&clientcertificate.Config{
		Ctx: &ctx, Name: "member",
		ClientsetFn: func(*tls.Certificate) (kubernetes.Interface, error) { return client, nil },
		Template:    &x509.CertificateRequest{Subject: pkix.Name{CommonName: agent.MemberUser(node)}, IPAddresses: []net.IP{address}},
		SignerName:  SignerName, Usages: usages, CertificateStore: store,
	})
	if err != nil {
		return nil, err
	}
	manager.Start()
	if manager.Current() == nil {
		klog.FromContext(ctx).Info("Waiting for a judge of the fence to sign this node's certificate")
	}
	err = wait.PollUntilContextCancel(ctx, 100*time.Millisecond, true, func(context.Context) (bool, error) { return manager.Current() != nil, nil })
	return &Member{manager}, err
}

// TLS is how the member is asked, and how it asks. Whoever the authority has signed for is let in
// to both; what each may ask is decided by its name.
func (m *Member) TLS() (server, client *tls.Config, err error) {
	current, err := m.current()
	if err != nil {
		return nil, nil, err
	}
	authorities := x509.NewCertPool()
	for _, der := range current.Certificate[1:] {
		authority, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, nil, fmt.Errorf("the authority behind this node's certificate: %w", err)
		}
		authorities.AddCert(authority)
	}
	return agent.ServerTLS(authorities, m.current), agent.ClientTLS(authorities, m.current), nil
}

func (m *Member) current() (*tls.Certificate, error) {
	if current := m.manager.Current(); current != nil {
		return current, nil
	}
	return nil, errors.New("this node's certificate of the fence has ended, and no judge has signed another")
}
