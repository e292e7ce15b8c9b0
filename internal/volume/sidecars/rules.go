package sidecars

import rbac "k8s.io/api/rbac/v1"

// Rules is what Run's user may do in the whole cluster: what the sidecars, together,
// really do. (Upstream's manifests grant more.) A secret is read when a class names it
// for its driver.
func Rules() []rbac.PolicyRule {
	const storage, snapshots, groups = "storage.k8s.io", "snapshot.storage.k8s.io", "groupsnapshot.storage.k8s.io"
	return []rbac.PolicyRule{
		rule("", []string{"secrets"}, "get"),
		rule("", []string{"nodes"}, "list", "watch"),
		rule("", []string{"events"}, "create", "patch"),
		rule("", []string{"persistentvolumes"}, "get", "list", "watch", "create", "patch", "delete"),
		rule("", []string{"persistentvolumeclaims"}, "list", "watch", "update"),
		rule("", []string{"persistentvolumeclaims/status"}, "patch"),
		rule(storage, []string{"csidrivers", "csinodes", "storageclasses"}, "list", "watch"),
		rule(storage, []string{"volumeattributesclasses"}, "get", "list", "watch"),
		rule(storage, []string{"volumeattachments"}, "list", "watch", "patch"),
		rule(storage, []string{"volumeattachments/status"}, "patch"),
		rule(snapshots, []string{"volumesnapshots"}, "get", "list", "watch", "update"),
		rule(snapshots, []string{"volumesnapshotclasses"}, "list", "watch"),
		rule(snapshots, []string{"volumesnapshotcontents"}, "get", "list", "watch", "patch"),
		rule(snapshots, []string{"volumesnapshotcontents/status"}, "update", "patch"),
		rule(groups, []string{"volumegroupsnapshotclasses"}, "list", "watch"),
		rule(groups, []string{"volumegroupsnapshotcontents"}, "get", "list", "watch", "patch"),
		rule(groups, []string{"volumegroupsnapshotcontents/status"}, "update", "patch"),
	}
}

// NamespaceRules is what Run's user may do in Config.Namespace.
func NamespaceRules() []rbac.PolicyRule {
	return []rbac.PolicyRule{
		rule("coordination.k8s.io", []string{"leases"}, "get", "list", "watch", "create", "update"),
		rule("storage.k8s.io", []string{"csistoragecapacities"}, "get", "list", "watch", "create", "update", "patch", "delete"),
	}
}

func rule(group string, resources []string, verbs ...string) rbac.PolicyRule {
	return rbac.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
}
