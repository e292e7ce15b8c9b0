package snapshots

import rbac "k8s.io/api/rbac/v1"

// The groups of the kinds.
const (
	snapshotGroup      = "snapshot.storage.k8s.io"
	groupSnapshotGroup = "groupsnapshot.storage.k8s.io"
)

// NodeRules is what RunNode's user may do in the cluster beyond writing events;
// and what the provisioner reads to restore a snapshot.
func NodeRules() []rbac.PolicyRule {
	return []rbac.PolicyRule{
		rule(snapshotGroup, []string{"volumesnapshots"}, "get"),
		rule(snapshotGroup, []string{"volumesnapshotclasses"}, "list", "watch"),
		rule(snapshotGroup, []string{"volumesnapshotcontents"}, "get", "list", "watch", "patch"),
		rule(snapshotGroup, []string{"volumesnapshotcontents/status"}, "update", "patch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshotclasses"}, "list", "watch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshotcontents"}, "get", "list", "watch", "patch"),
		rule(groupSnapshotGroup, []string{"volumegroupsnapshotcontents/status"}, "update", "patch"),
	}
}

func rule(group string, resources []string, verbs ...string) rbac.PolicyRule {
	return rbac.PolicyRule{APIGroups: []string{group}, Resources: resources, Verbs: verbs}
}
