package scheduling

import rbac "k8s.io/api/rbac/v1"

// Rules is what the scheduler's user must be allowed besides what upstream's role
// system:kube-scheduler has.
func Rules() []rbac.PolicyRule {
	read := []string{"get", "list", "watch"}
	return []rbac.PolicyRule{
		{APIGroups: []string{"mainstay.dev"}, Resources: []string{"pools"}, Verbs: read},
		{APIGroups: []string{"storage.k8s.io"}, Resources: []string{"volumeattributesclasses"}, Verbs: read},
	}
}
