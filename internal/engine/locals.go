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

// announceLocals tells the cluster where each node's name server listens, and each
// server's metrics-server. Their Services send everybody to that of their own node.
func announceLocals(client kubernetes.Interface) func(context.Context, []*corev1.Node) error {
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
			for _, slice := range localsOf(node, podNetwork{pods: pods}.gateway()) {
				_, err = client.DiscoveryV1().EndpointSlices(metav1.NamespaceSystem).Apply(ctx, slice, metav1.ApplyOptions{FieldManager: "mainstay", Force: true})
				if err != nil {
					return err
				}
			}
			announced[node.Name] = listens
		}
		return nil
	}
}

func localsOf(node *corev1.Node, gateway net.IP) []*applydiscovery.EndpointSliceApplyConfiguration {
	port := func(name string, number int32, protocol corev1.Protocol) *applydiscovery.EndpointPortApplyConfiguration {
		return applydiscovery.EndpointPort().WithName(name).WithPort(number).WithProtocol(protocol)
	}
	locals := []*applydiscovery.EndpointSliceApplyConfiguration{
		localOf(nameService, node, gateway).WithPorts(port("dns", dnsPort, corev1.ProtocolUDP), port("dns-tcp", dnsPort, corev1.ProtocolTCP)),
	}
	if IsServer(node) {
		locals = append(locals, localOf(metricsService, node, gateway).WithPorts(port("https", metricsPort, corev1.ProtocolTCP)))
	}
	return locals
}

// localOf is the endpoint of a Service that a node has itself. It goes with the node.
func localOf(service string, node *corev1.Node, gateway net.IP) *applydiscovery.EndpointSliceApplyConfiguration {
	return applydiscovery.EndpointSlice(service+"-"+node.Name, metav1.NamespaceSystem).
		WithLabels(map[string]string{
			discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "mainstay.dev",
		}).
		WithOwnerReferences(applymeta.OwnerReference().WithAPIVersion("v1").WithKind("Node").WithName(node.Name).WithUID(node.UID)).
		WithAddressType(discoveryv1.AddressTypeIPv4).
		WithEndpoints(applydiscovery.Endpoint().WithAddresses(gateway.String()).WithNodeName(node.Name).
			WithConditions(applydiscovery.EndpointConditions().WithReady(true)).
			WithTargetRef(applycore.ObjectReference().WithKind("Node").WithName(node.Name).WithUID(node.UID)))
}
