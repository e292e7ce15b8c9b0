package engine

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	certificatesapi "k8s.io/kubernetes/pkg/apis/certificates"
	"k8s.io/kubernetes/pkg/controller/certificates"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// errOthersBusiness: upstream's own approver decides on it, or a person does.
var errOthersBusiness = errors.New("nothing that this approver decides on")

// approves decides whether a node gets the certificate that it asks for; nil means
// yes. Upstream approves what makes a node a node. To this are left the two kinds
// that it leaves to others: kubelet's serving certificate, for addresses that are the
// node's own; and the clients that run on every machine, as the server's own do.
func approves(request *certificatesv1.CertificateSigningRequest, nodes []*corev1.Node) error {
	nodeName, isNode := strings.CutPrefix(request.Spec.Username, nodeUser(""))
	if !isNode || !slices.Contains(request.Spec.Groups, user.NodesGroup) {
		return errOthersBusiness
	}
	wanted, err := certificatesapi.ParseCSR(request.Spec.Request)
	if err != nil {
		return err
	}
	usages := sets.NewString()
	for _, usage := range request.Spec.Usages {
		usages.Insert(string(usage))
	}
	switch request.Spec.SignerName {
	case certificatesv1.KubeletServingSignerName:
		if err := certificatesapi.ValidateKubeletServingCSR(wanted, usages); err != nil {
			return err
		}
		if wanted.Subject.CommonName != request.Spec.Username {
			return fmt.Errorf("%s asks in the name of %s", request.Spec.Username, wanted.Subject.CommonName)
		}
		return ownsAddresses(wanted, nodeName, nodes)
	case certificatesv1.KubeAPIServerClientSignerName:
		return runsEverywhere(wanted, request.Spec.Usages, nodeName)
	}
	return errOthersBusiness
}

// ownsAddresses refuses names and addresses that the node does not have, and those
// that another has as well or that belong to no machine.
func ownsAddresses(wanted *x509.CertificateRequest, nodeName string, nodes []*corev1.Node) error {
	owners := func(name string) (owners []string) {
		for _, node := range nodes {
			if slices.ContainsFunc(node.Status.Addresses, func(a corev1.NodeAddress) bool { return a.Address == name }) {
				owners = append(owners, node.Name)
			}
		}
		return owners
	}
	asked := slices.Clone(wanted.DNSNames)
	for _, ip := range wanted.IPAddresses {
		if !ip.IsGlobalUnicast() || clusterOwns(ip) {
			return fmt.Errorf("node %s asks for %s, which is no machine's address", nodeName, ip)
		}
		asked = append(asked, ip.String())
	}
	for _, name := range asked {
		if found := owners(name); len(found) != 1 || found[0] != nodeName {
			return fmt.Errorf("node %s asks for %s, which is that of %v", nodeName, name, found)
		}
	}
	return nil
}

// clusterOwns: the address is a pod's or a Service's.
func clusterOwns(ip net.IP) bool {
	return slices.ContainsFunc([]string{PodCIDR, ServiceCIDR}, func(cidr string) bool {
		_, network, err := net.ParseCIDR(cidr)
		return err == nil && network.Contains(ip)
	})
}

// runsEverywhere refuses all clients but those that run on every machine.
func runsEverywhere(wanted *x509.CertificateRequest, usages []certificatesv1.KeyUsage, nodeName string) error {
	parts := partsEverywhere(nodeName)
	i := slices.IndexFunc(parts, func(part certificate) bool {
		return part.signer() == certificatesv1.KubeAPIServerClientSignerName && part.commonName == wanted.Subject.CommonName
	})
	if i < 0 {
		return errOthersBusiness
	}
	if !slices.Equal(wanted.Subject.Organization, parts[i].subject().Organization) {
		return fmt.Errorf("node %s asks for %s in the groups %v", nodeName, wanted.Subject.CommonName, wanted.Subject.Organization)
	}
	if len(wanted.DNSNames)+len(wanted.IPAddresses)+len(wanted.EmailAddresses)+len(wanted.URIs) > 0 {
		return fmt.Errorf("node %s asks for more than the name %s", nodeName, wanted.Subject.CommonName)
	}
	if !sets.New(usages...).Equal(sets.New(join.ClientUsages...)) {
		return fmt.Errorf("node %s asks for a client certificate for the uses %v", nodeName, usages)
	}
	return nil
}

// runApprover approves until ctx ends. A request that it does not approve it looks
// at again, less and less often: the node may not have told its addresses yet.
func runApprover(ctx context.Context, client kubernetes.Interface) error {
	watched := informers.NewSharedInformerFactory(client, 0)
	nodes := watched.Core().V1().Nodes()
	nodesSynced := nodes.Informer().HasSynced
	approve := func(ctx context.Context, request *certificatesv1.CertificateSigningRequest) error {
		if len(request.Status.Conditions) > 0 {
			return nil // decided
		}
		all, err := nodes.Lister().List(labels.Everything())
		if err != nil {
			return err
		}
		if err := approves(request, all); errors.Is(err, errOthersBusiness) {
			return nil
		} else if err != nil {
			return fmt.Errorf("not approved: %w", err)
		}
		request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
			Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue,
			Reason: "NodeOwnsIt", Message: "the node has the names and addresses, or the part runs on every node",
		})
		_, err = client.CertificatesV1().CertificateSigningRequests().UpdateApproval(ctx, request.Name, request, metav1.UpdateOptions{})
		return err
	}
	controller := certificates.NewCertificateController(ctx, "mainstay-approver", client, watched.Certificates().V1().CertificateSigningRequests(), approve)
	watched.StartWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), nodesSynced) {
		return nil
	}
	controller.Run(ctx, 1)
	return nil
}
