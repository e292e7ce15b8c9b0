package petset

import (
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// CurrentRevision returns the revision that the set's status calls current;
// the update revision when there is none, as for a new set.
func (s Set) CurrentRevision(existing []*apps.ControllerRevision, update *apps.ControllerRevision) *apps.ControllerRevision {
	for _, revision := range existing {
		if revision.Name == s.Status.CurrentRevision {
			return revision
		}
	}
	return update
}

// ObsoleteRevisions returns the revisions to delete so that no more than the
// set's limit remain beside those in use: by a pod, or as current or update.
// The existing revisions are in the order of their numbers; the oldest go.
func (s Set) ObsoleteRevisions(existing []*apps.ControllerRevision, pods []*corev1.Pod, inUse ...string) []*apps.ControllerRevision {
	if s.RevisionHistoryLimit < 0 || len(existing) <= s.RevisionHistoryLimit {
		return nil
	}
	live := make(map[string]bool, len(inUse))
	for _, name := range inUse {
		live[name] = true
	}
	for _, pod := range pods {
		live[pod.Labels[apps.StatefulSetRevisionLabel]] = true
	}
	unused := make([]*apps.ControllerRevision, 0, len(existing))
	for _, revision := range existing {
		if !live[revision.Name] {
			unused = append(unused, revision)
		}
	}
	return unused[:max(0, len(unused)-s.RevisionHistoryLimit)]
}
