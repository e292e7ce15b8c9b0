package petset

import (
	apps "k8s.io/api/apps/v1"
)

// status counts what is there. Conditions are kept as they are: others set
// them.
func (r *round) status() apps.StatefulSetStatus {
	collisions := r.CollisionCount
	status := apps.StatefulSetStatus{
		ObservedGeneration: r.Set.Generation,
		CurrentRevision:    r.Current.Name,
		UpdateRevision:     r.Update.Name,
		CollisionCount:     &collisions,
		Conditions:         r.Set.Status.Conditions,
	}
	for _, pets := range [][]pet{r.replicas, r.condemned} {
		for _, p := range pets {
			r.count(&status, p)
		}
	}
	return status
}

func (r *round) count(status *apps.StatefulSetStatus, p pet) {
	if p.pod == nil || !p.created {
		return
	}
	status.Replicas++
	if p.ready {
		status.ReadyReplicas++
	}
	if r.available(p) {
		status.AvailableReplicas++
	}
	if p.terminating {
		// It is still a replica, but of no revision any more.
		return
	}
	if p.revision == r.Current.Name {
		status.CurrentReplicas++
	}
	if p.revision == r.Update.Name {
		status.UpdatedReplicas++
	}
}

// completed makes the update revision the current one when every pet runs it
// and is ready.
func completed(set Set, status apps.StatefulSetStatus) apps.StatefulSetStatus {
	all := int32(set.Replicas)
	if !set.Update.OnDelete && status.Replicas == all && status.ReadyReplicas == all && status.UpdatedReplicas == all {
		status.CurrentReplicas = status.UpdatedReplicas
		status.CurrentRevision = status.UpdateRevision
	}
	return status
}

// StatusChanged reports whether the status must be written.
func StatusChanged(old, now apps.StatefulSetStatus) bool {
	return now.ObservedGeneration > old.ObservedGeneration ||
		now.Replicas != old.Replicas ||
		now.ReadyReplicas != old.ReadyReplicas ||
		now.AvailableReplicas != old.AvailableReplicas ||
		now.CurrentReplicas != old.CurrentReplicas ||
		now.UpdatedReplicas != old.UpdatedReplicas ||
		now.CurrentRevision != old.CurrentRevision ||
		now.UpdateRevision != old.UpdateRevision
}

// recheckWhenAvailable asks for another look when the next ready pod becomes
// available: nothing but time changes then, so no event will tell.
func (r *round) recheckWhenAvailable() {
	for _, pets := range [][]pet{r.replicas, r.condemned} {
		for _, p := range pets {
			r.recheckIn(p.untilAvailable(r.Set.MinReadySeconds, r.Now))
		}
	}
}
