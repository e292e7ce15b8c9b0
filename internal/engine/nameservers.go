package engine

import (
	"context"
	"net"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycore "k8s.io/client-go/applyconfigurations/core/v1"
	applydiscovery "k8s.io/client-go/applyconfigurations/discovery/v1"
	applymeta "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// nameService is the Service under which pods know it from any Kubernetes.
const nameService = "kube-dns"

// announceNameServers tells the cluster where each node's name server listens. The
// Service sends every pod to that of its own node.
func announceNameServers(client kubernetes.Interface) func(context.Context, []*corev1.Node) error {
	announced := map[string]string{}
	return func(ctx context.Context, nodes []*corev1.Node) error {
		for _, node := range nodes {
			_, pods, err := net.ParseCIDR(node.Spec.PodCIDR)
			if err != nil {
				continue // it has no pods yet, and so nobody who asks
			}
			listens := string(node.UID) + " " + pods.String()
			if announced[node.Name] == listens {
				continue
			}
			slice := nameServer(node, podNetwork{pods: pods}.gateway())
			_, err = client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).Apply(ctx, slice, metav1.ApplyOptions{FieldManager: "mainstay", Force: true})
			if err != nil {
				return err
			}
			announced[node.Name] = listens
		}
		return nil
	}
}

// nameServer is the endpoint of a node's name server. It goes with the node.
func nameServer(node *corev1.Node, gateway net.IP) *applydiscovery.EndpointSliceApplyConfiguration {
	port := func(name string, protocol corev1.Protocol) *applydiscovery.EndpointPortApplyConfiguration {
		return applydiscovery.EndpointPort().WithName(name).WithPort(dnsPort).WithProtocol(protocol)
	}
	return applydiscovery.EndpointSlice(nameService+"-"+node.Name, metav1.NamespaceSystem).
		WithLabels(map[string]string{
			discoveryv1.LabelServiceName: nameService, discoveryv1.LabelManagedBy: "mainstay.dev",
		}).
		WithOwnerReferences(applymeta.OwnerReference().WithAPIVersion("v1").WithKind("Node").WithName(node.Name).WithUID(node.UID)).
		WithAddressType(discoveryv1.AddressTypeIPv4).
		WithEndpoints(applydiscovery.Endpoint().WithAddresses(gateway.String()).WithNodeName(node.Name).
			WithConditions(applydiscovery.EndpointConditions().WithReady(true)).
			WithTargetRef(applycore.ObjectReference().WithKind("Node").WithName(node.Name).WithUID(node.UID))).
		WithPorts(port("dns", corev1.ProtocolUDP), port("dns-tcp", corev1.ProtocolTCP))
}
