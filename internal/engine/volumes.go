package engine

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/component-base/metrics/legacyregistry"

	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

// runVolumes runs the CSI driver of the default StorageClass until ctx ends. It
// may start before the API answers: pods that start again want their volumes at
// once.
func runVolumes(ctx context.Context, config Config, paths Paths, api lifeline) error {
	access, err := accessOf(paths, "volume")
	if err != nil {
		return err
	}
	access.Wrap(api.wrap)
	return driver.Run(ctx, driver.Config{
		NodeName: config.NodeName, Version: Version, KubeletDir: paths.Kubelet(),
		Pools: config.places(paths), PoolStateDir: paths.pools(), SocketDir: paths.csi(), RESTConfig: access,
		Register: legacyregistry.RawMustRegister, // which kubelet shows at /metrics, to whoever may read it
	})
}

// volumeRole is for whoever runs the driver.
const volumeRole = "mainstay:volume"

// volumeObjects are what the driver needs in the cluster.
func volumeObjects() []runtime.Object {
	return append(roleOf(volumeRole, driver.Rules()), driver.CSIDriver())
}

// roleOf gives the user of that name these rights in the whole cluster.
func roleOf(name string, rules []rbacv1.PolicyRule) []runtime.Object {
	return roleFor(name, name, rules)
}

// roleWithin gives the user of that name these rights in one namespace.
func roleWithin(namespace, name string, rules []rbacv1.PolicyRule) []runtime.Object {
	object := metav1.ObjectMeta{Namespace: namespace, Name: name}
	return []runtime.Object{
		&rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: object, Rules: rules,
		},
		&rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: object,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		},
	}
}

// roleFor gives the user these rights by a role of that name.
func roleFor(user, name string, rules []rbacv1.PolicyRule) []runtime.Object {
	return []runtime.Object{
		&rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules,
		},
		&rbacv1.ClusterRoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRoleBinding"},
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
		},
	}
}
