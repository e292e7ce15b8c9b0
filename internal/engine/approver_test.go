package engine

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"slices"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

func TestApproves(t *testing.T) {
	node := func(name, ip string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: ip}, {Type: corev1.NodeHostName, Address: name},
		}}}
	}
	nodes := []*corev1.Node{node("a", "192.0.2.1"), node("b", "192.0.2.2"), node("twin", "192.0.2.2"),
		node("loop", "127.0.0.1"), node("pod", "10.42.0.1"), node("api", apiServiceIP)}
	const serving, client = certificatesv1.KubeletServingSignerName, certificatesv1.KubeAPIServerClientSignerName
	server := func(name string, ip string) x509.CertificateRequest {
		return x509.CertificateRequest{
			Subject:  pkix.Name{CommonName: "system:node:" + name, Organization: []string{"system:nodes"}},
			DNSNames: []string{name}, IPAddresses: []net.IP{net.ParseIP(ip)},
		}
	}
	named := func(name string, organization ...string) x509.CertificateRequest {
		return x509.CertificateRequest{Subject: pkix.Name{CommonName: name, Organization: organization}}
	}
	with := func(r x509.CertificateRequest, change func(*x509.CertificateRequest)) x509.CertificateRequest {
		change(&r)
		return r
	}
	const yes, no, others = "yes", "no", "others' business"
	for _, test := range []struct {
		name, signer, user string
		request            x509.CertificateRequest
		want               string
	}{
		{"kubelet's own addresses", serving, "system:node:a", server("a", "192.0.2.1"), yes},
		{"in another node's name", serving, "system:node:a", server("b", "192.0.2.2"), no},
		{"another node's address", serving, "system:node:a", server("a", "192.0.2.2"), no},
		{"an address that nobody has told yet", serving, "system:node:a", server("a", "192.0.2.9"), no},
		{"an address that two have", serving, "system:node:b", server("b", "192.0.2.2"), no},
		{"another node's name beside its own", serving, "system:node:a", with(server("a", "192.0.2.1"), func(r *x509.CertificateRequest) { r.DNSNames = append(r.DNSNames, "b") }), no},
		{"the API's name", serving, "system:node:a", with(server("a", "192.0.2.1"), func(r *x509.CertificateRequest) { r.DNSNames = []string{"kubernetes"} }), no},
		{"a loopback address that the node says it has", serving, "system:node:loop", server("loop", "127.0.0.1"), no},
		{"a pod's address that the node says it has", serving, "system:node:pod", server("pod", "10.42.0.1"), no},
		{"the API's address that the node says it has", serving, "system:node:api", server("api", apiServiceIP), no},
		{"no organization", serving, "system:node:a", with(server("a", "192.0.2.1"), func(r *x509.CertificateRequest) { r.Subject.Organization = nil }), no},
		{"not a node", serving, "system:serviceaccount:default:a", server("a", "192.0.2.1"), others},
		{"a part that runs on every node", client, "system:node:a", named("mainstay:volume"), yes},
		{"the proxy, too", client, "system:node:a", named("system:kube-proxy"), yes},
		{"a part that runs on the server alone", client, "system:node:a", named("mainstay:petset"), others},
		{"the administrator", client, "system:node:a", named("kubernetes-admin", "system:masters"), others},
		{"a part in the administrators' group", client, "system:node:a", named("mainstay:volume", "system:masters"), no},
		{"a part that would be a server", client, "system:node:a", with(named("mainstay:volume"), func(r *x509.CertificateRequest) { r.DNSNames = []string{"a"} }), no},
		{"another node, by the wrong signer", client, "system:node:a", named("system:node:b", "system:nodes"), others},
		{"the node's keeper", client, "system:node:a", named("mainstay:keeper:a", "mainstay:keepers"), yes},
		{"another node's keeper", client, "system:node:a", named("mainstay:keeper:b", "mainstay:keepers"), others},
		{"the keeper in no group", client, "system:node:a", named("mainstay:keeper:a"), no},
		{"another part among the keepers", client, "system:node:a", named("mainstay:volume", "mainstay:keepers"), no},
		{"a part for somebody with a token", client, "system:bootstrap:abcdef", named("mainstay:volume"), others},
		{"a signer that is not ours", certificatesv1.KubeAPIServerClientKubeletSignerName, "system:node:a", named("system:node:a", "system:nodes"), others},
	} {
		usages := []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth}
		if test.signer == serving {
			usages[1] = certificatesv1.UsageServerAuth
		}
		request := &certificatesv1.CertificateSigningRequest{Spec: certificatesv1.CertificateSigningRequestSpec{
			SignerName: test.signer, Username: test.user, Groups: []string{"system:nodes", "system:authenticated"},
			Request: encode(t, test.request), Usages: usages,
		}}
		checkApproval(t, test.name, request, nodes, test.want)
		request.Spec.Usages = append(slices.Clone(usages), certificatesv1.UsageCodeSigning)
		if test.want == yes {
			checkApproval(t, test.name+", for more than that", request, nodes, no)
		}
		request.Spec.Usages, request.Spec.Groups = usages, []string{"system:authenticated"}
		checkApproval(t, test.name+", by somebody outside the nodes' group", request, nodes, others)
	}
}

func checkApproval(t *testing.T, name string, request *certificatesv1.CertificateSigningRequest, nodes []*corev1.Node, want string) {
	t.Helper()
	got := "no"
	switch err := approves(request, nodes); {
	case err == nil:
		got = "yes"
	case errors.Is(err, errOthersBusiness):
		got = "others' business"
	}
	if got != want {
		t.Errorf("%s: %s, not %s", name, got, want)
	}
}

func encode(t *testing.T, request x509.CertificateRequest) []byte {
	t.Helper()
	pem, err := keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyutil.ParsePrivateKeyPEM(pem)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := certutil.MakeCSRFromTemplate(key, &request)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
