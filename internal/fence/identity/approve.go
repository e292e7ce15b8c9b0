package identity

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"slices"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

// SignerName is that of the fence's authority.
const SignerName = "mainstay.dev/fence"

// NodeNameKey is where the API server notes on which node the pod runs to which a
// service account's token is bound (Kubernetes 1.32, KEP-4193).
const NodeNameKey = "authentication.kubernetes.io/node-name"

// usages are those of a member's certificate: it asks and is asked.
var usages = []certificates.KeyUsage{certificates.UsageDigitalSignature, certificates.UsageClientAuth, certificates.UsageServerAuth}

// Approves decides whether a request is signed; nil means yes. account is the user as
// which keepers run, nodes are all of the cluster.
func Approves(request *certificates.CertificateSigningRequest, account string, nodes []core.Node) error {
	if request.Spec.Username != account {
		return fmt.Errorf("%s asks, and only %s may", request.Spec.Username, account)
	}
	on := request.Spec.Extra[NodeNameKey]
	if len(on) != 1 {
		return fmt.Errorf("the API server has not noted on which node %s runs: its token is bound to no pod, or this Kubernetes is older than 1.32", account)
	}
	node := on[0]
	wanted, err := parse(request.Spec.Request)
	switch {
	case err != nil:
		return err
	case wanted.Subject.String() != "CN="+agent.MemberUser(node):
		return fmt.Errorf("node %s asks in the name of %s", node, wanted.Subject)
	case len(wanted.DNSNames)+len(wanted.EmailAddresses)+len(wanted.URIs) > 0:
		return fmt.Errorf("node %s asks for more than an address", node)
	case !sets.New(request.Spec.Usages...).Equal(sets.New(usages...)):
		return fmt.Errorf("node %s asks for the uses %v, and is given %v", node, request.Spec.Usages, usages)
	}
	return ownsAddresses(node, wanted.IPAddresses, nodes)
}

func parse(text []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("the request is not PEM")
	}
	wanted, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	return wanted, wanted.CheckSignature()
}

// ownsAddresses refuses addresses that the node does not have, or another has as well.
func ownsAddresses(node string, addresses []net.IP, nodes []core.Node) error {
	if len(addresses) == 0 {
		return fmt.Errorf("node %s asks for no address", node)
	}
	for _, ip := range addresses {
		var owners []string
		for _, n := range nodes {
			if slices.Contains(n.Status.Addresses, core.NodeAddress{Type: core.NodeInternalIP, Address: ip.String()}) {
				owners = append(owners, n.Name)
			}
		}
		if !slices.Equal(owners, []string{node}) {
			return fmt.Errorf("node %s asks for %s, which is that of %v", node, ip, owners)
		}
	}
	return nil
}
