package agent

import (
	core "k8s.io/api/core/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// JudgeRules is what JudgeUser may do in the whole cluster.
func JudgeRules() []rbac.PolicyRule {
	return []rbac.PolicyRule{
		rule(core.GroupName, []string{"nodes"}, "get", "list", "update"),
		rule(core.GroupName, []string{"nodes/status"}, "patch"),
		rule(core.GroupName, []string{"pods"}, "get", "list", "delete"),
		rule(core.GroupName, []string{"persistentvolumes"}, "get"),
		rule("storage.k8s.io", []string{"volumeattachments"}, "list", "delete"),
		rule("events.k8s.io", []string{"events"}, "create", "patch"),
	}
}

// JudgeNamespaceRules is what JudgeUser may do in single namespaces: close and fence
// in Namespace, and free what a fenced node leads in the system's own.
func JudgeNamespaceRules() map[string][]rbac.PolicyRule {
	leases := []rbac.PolicyRule{rule("coordination.k8s.io", []string{"leases"}, "get", "list", "update")}
	return map[string][]rbac.PolicyRule{Namespace: leases, meta.NamespaceSystem: {rule("coordination.k8s.io", []string{"leases"}, "list", "update")}}
}

func rule(group string, resources []string, verbs ...string) rbac.PolicyRule {
	return rbac.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
}
