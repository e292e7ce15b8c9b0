package engine

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mainstay-io/mainstay/internal/volume/sidecars"
)

const (
	sidecarsUser = "mainstay:sidecars"
	// sidecarsNamespace holds what the sidecars remember of a driver.
	sidecarsNamespace = metav1.NamespaceSystem
)

// runSidecars stands in for the sidecars of other people's CSI drivers until ctx
// ends.
func runSidecars(ctx context.Context, config Config, paths Paths) error {
	access, err := accessOf(paths, "sidecars")
	if err != nil {
		return err
	}
	return sidecars.Run(ctx, sidecars.Config{
		RESTConfig: access, NodeName: config.NodeName, KubeletDir: paths.Kubelet(), Namespace: sidecarsNamespace,
	})
}

// sidecarObjects are the rights of the sidecars.
func sidecarObjects() []runtime.Object {
	name := metav1.ObjectMeta{Namespace: sidecarsNamespace, Name: sidecarsUser}
	return append(roleOf(sidecarsUser, sidecars.Rules()),
		&rbacv1.Role{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "Role"},
			ObjectMeta: name, Rules: sidecars.NamespaceRules(),
		},
		&rbacv1.RoleBinding{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
			ObjectMeta: name,
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: sidecarsUser},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: sidecarsUser}},
		})
}
