package engine

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/engine/drain"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

const machinesUser = "mainstay:machines"

// runMachines does until ctx ends what the cluster's machines need a server for:
// certificates, that their pods find their name server, that they may leave, and that
// the fence then forgets them.
func runMachines(ctx context.Context, paths Paths) error {
	access, err := accessOf(paths, "machines")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	clients, err := drain.NewClients(access)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return runApprover(ctx, client) })
	announce, empty, forget := announceLocals(client), serveLeaving(clients), forgetLeases(client)
	group.Go(func() error {
		return followNodes(ctx, client, func(ctx context.Context, nodes []*corev1.Node) error {
			return errors.Join(announce(ctx, nodes), empty(ctx, nodes), forget(ctx, nodes))
		})
	})
	return group.Wait()
}

// machinesObjects are the rights of runMachines.
func machinesObjects() []runtime.Object {
	approve := rule(certificatesv1.GroupName, "signers", "approve")
	approve.ResourceNames = []string{certificatesv1.KubeletServingSignerName, certificatesv1.KubeAPIServerClientSignerName}
	return slices.Concat(roleOf(machinesUser, []rbacv1.PolicyRule{
		rule("", "nodes", "get", "list", "watch", "patch"),
		rule("", "pods", "get", "list"),
		rule("", "pods/eviction", "create"),
		rule("", "persistentvolumes", "list"),
		rule("apps", "daemonsets", "get"),
		rule("apps", "statefulsets", "get"),
		rule(v1alpha1.GroupVersion.Group, "petsets", "get"),
		rule(certificatesv1.GroupName, "certificatesigningrequests", "list", "watch"),
		rule(certificatesv1.GroupName, "certificatesigningrequests/approval", "update"),
		approve,
	}),
		roleWithin(metav1.NamespaceSystem, machinesUser, []rbacv1.PolicyRule{rule("discovery.k8s.io", "endpointslices", "create", "patch")}),
		roleWithin(agent.Namespace, machinesUser, []rbacv1.PolicyRule{rule("coordination.k8s.io", "leases", "list", "delete")}))
}
