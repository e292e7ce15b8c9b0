package identity

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"net"
	"net/url"
	"strings"
	"testing"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

const account = "system:serviceaccount:there:keeper"

// requestOf is what the keeper of node alpha asks for, but for a change.
func requestOf(t *testing.T, change func(*certificates.CertificateSigningRequest, *x509.CertificateRequest)) *certificates.CertificateSigningRequest {
	t.Helper()
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: agent.MemberUser("alpha")}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)}}
	request := &certificates.CertificateSigningRequest{Spec: certificates.CertificateSigningRequestSpec{
		Username: account, Extra: map[string]certificates.ExtraValue{NodeNameKey: {"alpha"}}, Usages: usages,
	}}
	change(request, template)
	key, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signerOf(key)
	if err != nil {
		t.Fatal(err)
	}
	if request.Spec.Request, err = certutil.MakeCSRFromTemplate(signer, template); err != nil {
		t.Fatal(err)
	}
	return request
}

func nodeWith(name string, addresses ...core.NodeAddress) core.Node {
	return core.Node{ObjectMeta: meta.ObjectMeta{Name: name}, Status: core.NodeStatus{Addresses: addresses}}
}

func TestApproves(t *testing.T) {
	internal := func(ip string) core.NodeAddress { return core.NodeAddress{Type: core.NodeInternalIP, Address: ip} }
	nodes := []core.Node{
		nodeWith("alpha", internal("10.0.0.1"), internal("10.0.0.9"), core.NodeAddress{Type: core.NodeExternalIP, Address: "192.0.2.1"}),
		nodeWith("beta", internal("10.0.0.2"), internal("10.0.0.9")),
	}
	type r = certificates.CertificateSigningRequest
	type c = x509.CertificateRequest
	for _, test := range []struct {
		name   string
		change func(*r, *c)
		want   string
	}{
		{"its own name and address", func(*r, *c) {}, ""},
		{"another user", func(r *r, _ *c) { r.Spec.Username = "system:admin" }, "system:admin asks, and only " + account},
		{"a token without a pod", func(r *r, _ *c) { r.Spec.Extra = nil }, "has not noted on which node"},
		{"two nodes", func(r *r, _ *c) { r.Spec.Extra[NodeNameKey] = []string{"alpha", "beta"} }, "has not noted on which node"},
		{"another node's name", func(r *r, _ *c) { r.Spec.Extra[NodeNameKey] = []string{"beta"} }, "node beta asks in the name of CN=system:node:alpha"},
		{"the judge's name", func(_ *r, c *c) { c.Subject.CommonName = agent.JudgeUser }, "in the name of CN=mainstay:judge"},
		{"a group", func(_ *r, c *c) { c.Subject.Organization = []string{"system:masters"} }, "in the name of CN=system:node:alpha,O=system:masters"},
		{"a DNS name", func(_ *r, c *c) { c.DNSNames = []string{"alpha"} }, "more than an address"},
		{"a URI", func(_ *r, c *c) { c.URIs = []*url.URL{{Scheme: "spiffe", Host: "alpha"}} }, "more than an address"},
		{"to sign", func(r *r, _ *c) {
			r.Spec.Usages = append([]certificates.KeyUsage{certificates.UsageCertSign}, usages...)
		}, "for the uses"},
		{"to serve alone", func(r *r, _ *c) { r.Spec.Usages = usages[1:] }, "for the uses"},
		{"no address", func(_ *r, c *c) { c.IPAddresses = nil }, "no address"},
		{"another node's address", func(_ *r, c *c) { c.IPAddresses = append(c.IPAddresses, net.IPv4(10, 0, 0, 2)) }, "10.0.0.2, which is that of [beta]"},
		{"an address of two", func(_ *r, c *c) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 9)} }, "10.0.0.9, which is that of [alpha beta]"},
		{"nobody's address", func(_ *r, c *c) { c.IPAddresses = []net.IP{net.IPv4(10, 0, 0, 3)} }, "10.0.0.3, which is that of []"},
		{"an external address", func(_ *r, c *c) { c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 1)} }, "192.0.2.1, which is that of []"},
	} {
		err := Approves(requestOf(t, test.change), account, nodes)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	broken := requestOf(t, func(*r, *c) {})
	for _, text := range []string{"", "nothing", strings.Replace(string(broken.Spec.Request), "MI", "IM", 1)} {
		broken.Spec.Request = []byte(text)
		if Approves(broken, account, nodes) == nil {
			t.Errorf("the request %q is approved", text)
		}
	}
}
