package petset

import "slices"

// update replaces pets that are not on the update revision, the highest
// ordinal first. Their successors are made by keep, in a later round, when
// their pods are gone.
func (r *round) update() (goOn bool) {
	r.stage = StageUpdate
	switch {
	case r.Set.Update.OnDelete:
	case r.Set.Update.MaxUnavailable != nil:
		r.updateWithin(*r.Set.Update.MaxUnavailable)
	default:
		r.updateOneByOne()
	}
	return true
}

// updateOneByOne replaces the highest pet that is on another revision, when
// all pets above it are updated and available.
func (r *round) updateOneByOne() {
	for i := len(r.replicas) - 1; i >= r.partition(); i-- {
		p := r.replicas[i]
		switch {
		case r.outdated(p):
			r.replace(p)
			return
		case r.unavailable(p):
			if slices.ContainsFunc(r.replicas[r.partition():i], r.outdated) {
				r.wait(p, "the update goes on when it is available")
			}
			return
		}
	}
}

// updateWithin replaces pets, the highest first, as long as no more than limit
// of the whole set are unavailable, for whatever reason.
func (r *round) updateWithin(limit int) {
	unavailable := 0
	for _, p := range r.replicas {
		if r.unavailable(p) {
			unavailable++
		}
	}
	for i := len(r.replicas) - 1; i >= r.partition() && unavailable < limit; i-- {
		if p := r.replicas[i]; r.outdated(p) {
			r.replace(p)
			unavailable++
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
// revision.
func (r *round) outdated(p pet) bool {
	return p.pod != nil && !p.terminating() && !r.leaving[p.pod] && p.revision() != r.Update.Name
}

func (r *round) replace(p pet) {
	if p.revision() == r.Current.Name && p.pod.Status.Phase != "" {
		r.retired++
	}
	r.deletePod(p, "revision "+r.Update.Name+" takes the place of "+orNone(p.revision()))
}

func orNone(revision string) string {
	if revision == "" {
		return "a pod without revision"
	}
	return revision
}
