package agent

import (
	"testing"

	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// enforceRights makes a test's API server ask who may do what.
const enforceRights = "--authorization-mode=RBAC"

// asJudge gives access with the rights of a judge, and no others.
func asJudge(t *testing.T, access *rest.Config) *rest.Config {
	t.Helper()
	admin, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	named, judge, roles := meta.ObjectMeta{Name: JudgeUser}, []rbac.Subject{{Kind: rbac.UserKind, Name: JudgeUser}}, admin.RbacV1()
	_, err = roles.ClusterRoles().Create(t.Context(), &rbac.ClusterRole{ObjectMeta: named, Rules: JudgeRules()}, meta.CreateOptions{})
	if err == nil {
		binding := &rbac.ClusterRoleBinding{ObjectMeta: named, Subjects: judge, RoleRef: rbac.RoleRef{Kind: "ClusterRole", Name: JudgeUser}}
		_, err = roles.ClusterRoleBindings().Create(t.Context(), binding, meta.CreateOptions{})
	}
	for namespace, rules := range JudgeNamespaceRules() {
		if err == nil {
			_, err = roles.Roles(namespace).Create(t.Context(), &rbac.Role{ObjectMeta: named, Rules: rules}, meta.CreateOptions{})
		}
		if err == nil {
			binding := &rbac.RoleBinding{ObjectMeta: named, Subjects: judge, RoleRef: rbac.RoleRef{Kind: "Role", Name: JudgeUser}}
			_, err = roles.RoleBindings(namespace).Create(t.Context(), binding, meta.CreateOptions{})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	own := rest.CopyConfig(access)
	own.Impersonate.UserName = JudgeUser
	return own
}
