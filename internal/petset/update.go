package petset

import (
	"slices"

	apps "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
)

// update replaces pets that are not on the update revision. Their successors are
// made by keep, in a later round, when their pods are gone.
func (r *round) update() (goOn bool) {
	r.stage = StageUpdate
	switch {
	case r.writesPods(): // the next plan sees what came of it
	case r.relabel():
	case r.Set.Update.OnDelete:
	case r.Set.Update.Paused:
		r.waitPaused()
	case r.Set.Update.MaxUnavailable != nil:
		r.updateWithin(*r.Set.Update.MaxUnavailable)
	default:
		r.updateOneByOne()
	}
	return true
}

// updateOneByOne replaces the first pet that is on another revision, when all
// before it are updated and available.
func (r *round) updateOneByOne() {
	pets := r.updateOrder()
	for i, p := range pets {
		switch {
		case r.outdated(p):
			r.replace(p)
			return
		case r.unavailable(p):
			if slices.ContainsFunc(pets[i+1:], r.outdated) {
				r.wait(p, "the update goes on when it is available")
			}
			return
		}
	}
}

// updateWithin replaces pets, as long as no more than limit of the whole set are
// unavailable, for whatever reason.
func (r *round) updateWithin(limit int) {
	unavailable := 0
	for _, p := range r.replicas {
		if r.unavailable(p) {
			unavailable++
		}
	}
	for _, p := range r.updateOrder() {
		if unavailable < limit && r.outdated(p) {
			r.replace(p)
			unavailable++
		}
	}
}

// updateOrder returns the pets that an update reaches, the first to be replaced
// first.
func (r *round) updateOrder() []pet {
	pets := slices.Clone(r.replicas[min(r.partition(), len(r.replicas)):])
	if !r.Set.Update.Ascending {
		slices.Reverse(pets)
	}
	if leader := r.Set.Update.LeaderLast; leader != nil {
		isLeader := func(p pet) bool { return p.pod != nil && leader.Matches(labels.Set(p.pod.Labels)) }
		slices.SortStableFunc(pets, func(a, b pet) int {
			switch {
			case isLeader(a) == isLeader(b):
				return 0
			case isLeader(b):
				return -1
			}
			return 1
		})
	}
	return pets
}

// waitPaused tells of the pets that the update would replace if it went on.
func (r *round) waitPaused() {
	for _, p := range r.updateOrder() {
		if r.outdated(p) {
			r.wait(p, "the update is paused")
			return
		}
	}
}

func (r *round) partition() int {
	if r.Set.Update.Partition == nil {
		return 0
	}
	return *r.Set.Update.Partition
}

// outdated: there is a pod, it stays if nobody acts, and it is on another
// revision, or waits for a restart to see its grown volume.
func (r *round) outdated(p pet) bool {
	return p.pod != nil && !p.terminating && !r.leaving[p.pod] &&
		(p.revision != r.Update.Name || r.grownAfterStart(p))
}

// writesPods: the plan changes pods already. A second write of one would be of an
// old version.
func (r *round) writesPods() bool {
	return slices.ContainsFunc(r.plan.Actions, func(a Action) bool { return a.Verb == UpdatePod || a.Verb == ResizePod })
}

// relabel gives pods that would be no different on the update revision its
// label: an override for others is no reason to replace them. It reports whether
// there were any; then nothing else is updated in this plan.
func (r *round) relabel() (some bool) {
	if !r.anyOverrides() {
		return false
	}
	for _, p := range r.updateOrder() {
		if r.outdated(p) && p.revision != r.Update.Name && r.sameOn(p, r.Update) {
			r.label(p, r.Update)
			some = true
		}
	}
	return some
}

// anyOverrides: some revision has overrides. Without any, no two revisions make
// the same pod.
func (r *round) anyOverrides() bool {
	for _, former := range r.Former {
		if len(former.overridden) > 0 {
			return true
		}
	}
	return len(r.Update.overridden)+len(r.Current.overridden) > 0
}

// sameOn: the pet's pod would be made from the same template on the other
// revision. Two revisions without overrides are never the same.
func (r *round) sameOn(p pet, other Revision) bool {
	own, known := r.revisionNamed(p.revision)
	return known && len(own.overridden)+len(other.overridden) > 0 &&
		equality.Semantic.DeepEqual(own.templateFor(p.ordinal), other.templateFor(p.ordinal))
}

func (r *round) label(p pet, revision Revision) {
	pod := p.pod.DeepCopy()
	pod.Labels[apps.StatefulSetRevisionLabel] = revision.Name
	r.act(Action{Verb: UpdatePod, Ordinal: p.ordinal, Pod: pod, Reason: "the pod is the same on revision " + revision.Name})
}

func (r *round) revisionNamed(name string) (revision Revision, known bool) {
	switch name {
	case "":
	case r.Update.Name:
		return r.Update, true
	case r.Current.Name:
		return r.Current, true
	}
	revision, known = r.Former[name]
	return revision, known
}

// broken: the pod is not ready, on a revision that is no longer wanted, and the
// set does not wait for such pods.
func (r *round) broken(p pet) bool {
	return r.Set.ReplaceBroken && !r.Set.Update.OnDelete && !r.Set.Update.Paused &&
		!p.ready && r.outdated(p) && p.revision != r.revisionFor(p).Name && !r.sameOn(p, r.revisionFor(p))
}

// replace brings the pet to its revision: by a change of its pod where that is
// possible and wanted, else by a new pod. It returns what there is to wait for.
func (r *round) replace(p pet) (waitFor string) {
	target := r.revisionFor(p)
	switch own, known := r.revisionNamed(p.revision); {
	case p.revision == target.Name:
		r.deletePod(p, "its volume has grown, and it takes a restart to see that")
		return "its pod is being replaced"
	case known && r.Set.Update.InPlace:
		if pod := changedInPlace(p, own.templateFor(p.ordinal), target.templateFor(p.ordinal)); pod != nil {
			pod.Labels[apps.StatefulSetRevisionLabel] = target.Name
			r.leaving[p.pod] = true // it is away for a moment
			r.act(Action{Verb: UpdatePod, Ordinal: p.ordinal, Pod: pod,
				Reason: "revision " + target.Name + " differs in images and resources only: the pod is changed in place"})
			return "its pod is being changed in place"
		}
	}
	if p.revision == r.Current.Name && p.created {
		r.retired++
	}
	r.deletePod(p, "revision "+target.Name+" takes the place of "+orNone(p.revision))
	return "its pod is being replaced"
}

func orNone(revision string) string {
	if revision == "" {
		return "a pod without revision"
	}
	return revision
}
