package identity

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"slices"
	"sync"
	"time"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	certutil "k8s.io/client-go/util/cert"
	signing "k8s.io/kubernetes/pkg/controller/certificates/authority"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

const (
	// lifetime is that of a certificate. Nobody can call one back; and a member whose
	// certificate ends while the API is away for days is heard no more.
	lifetime = 7 * 24 * time.Hour
	// backdate allows for clocks that are not together.
	backdate = 5 * time.Minute
)

// Authority is that of a fence.
type Authority struct{ ca signing.CertificateAuthority }

// Load reads the authority from a Secret, which must be there. One that is empty gets
// an authority first, for ten years.
func Load(ctx context.Context, client kubernetes.Interface, namespace, name string) (*Authority, error) {
	secrets := client.CoreV1().Secrets(namespace)
	for {
		secret, err := secrets.Get(ctx, name, meta.GetOptions{})
		if err != nil {
			return nil, fmt.Errorf("read the authority of the fence: %w", err)
		}
		if len(secret.Data) > 0 {
			return decode(secret)
		}
		if secret.Data, err = newAuthority(); err != nil {
			return nil, err
		}
		// Of several judges that begin at once, one is first.
		if _, err := secrets.Update(ctx, secret, meta.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
			return nil, fmt.Errorf("keep the authority of the fence: %w", err)
		}
	}
}

func newAuthority() (map[string][]byte, error) {
	key, signer, err := newKey()
	if err != nil {
		return nil, err
	}
	certificate, err := certutil.NewSelfSignedCACert(certutil.Config{CommonName: "mainstay-fence", NotBefore: time.Now().Add(-backdate)}, signer)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{core.TLSCertKey: encode(certificate.Raw), core.TLSPrivateKeyKey: key}, nil
}

func decode(secret *core.Secret) (*Authority, error) {
	certificate, err := certutil.ParseCertsPEM(secret.Data[core.TLSCertKey])
	if err != nil {
		return nil, fmt.Errorf("the authority of the fence, Secret %s/%s: %s: %w", secret.Namespace, secret.Name, core.TLSCertKey, err)
	}
	key, err := signerOf(secret.Data[core.TLSPrivateKeyKey])
	if err != nil {
		return nil, fmt.Errorf("the authority of the fence, Secret %s/%s: %s: %w", secret.Namespace, secret.Name, core.TLSPrivateKeyKey, err)
	}
	return &Authority{signing.CertificateAuthority{Certificate: certificate[0], PrivateKey: key}}, nil
}

// sign returns the certificate and, behind it, the authority's: whoever got the one knows the other.
func (a *Authority) sign(request []byte, uses []certificates.KeyUsage) (chain []byte, err error) {
	block, _ := pem.Decode(request)
	der, err := a.ca.Sign(block.Bytes, signing.PermissiveSigningPolicy{TTL: lifetime, Backdate: backdate, Usages: uses})
	if err != nil {
		return nil, err
	}
	return slices.Concat(encode(der), encode(a.ca.Certificate.Raw)), nil
}

// JudgeTLS is how a judge asks members.
func (a *Authority) JudgeTLS() *tls.Config {
	members := x509.NewCertPool()
	members.AddCert(a.ca.Certificate)
	own := judgeCertificate{authority: a}
	return agent.ClientTLS(members, func() (*tls.Certificate, error) { return own.get(time.Now()) })
}

// judgeCertificate is made when it is needed, and again when half of its time is over.
type judgeCertificate struct {
	authority *Authority
	mutex     sync.Mutex
	current   *tls.Certificate
}

func (c *judgeCertificate) get(now time.Time) (*tls.Certificate, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.current != nil && now.Add(lifetime/2).Before(c.current.Leaf.NotAfter) {
		return c.current, nil
	}
	key, signer, err := newKey()
	if err != nil {
		return nil, err
	}
	request, err := certutil.MakeCSR(signer, &pkix.Name{CommonName: agent.JudgeUser}, nil, nil)
	if err != nil {
		return nil, err
	}
	chain, err := c.authority.sign(request, []certificates.KeyUsage{certificates.UsageDigitalSignature, certificates.UsageClientAuth})
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(chain, key)
	if err == nil {
		c.current = &pair
	}
	return &pair, err
}
