package petset

// scaleIn lets the pets go that the set should not have. It reports whether
// the plan may go on.
//
// Before a pod goes, its claims bear the owners that the retention policy asks
// for: afterwards nobody would remember that they were to go too.
func (r *round) scaleIn() (goOn bool) {
	r.stage = StageMark
	for _, p := range r.condemned {
		r.updateClaimOwners(p)
	}

	r.stage = StageScaleIn
	if r.Set.Parallel {
		for _, p := range r.condemned {
			if !p.terminating && r.drain(p) {
				r.deletePod(p, "the set has no such ordinal any more")
			}
		}
		return true
	}
	return r.scaleInOrdered()
}

// scaleInOrdered holds the rules for the highest of the condemned pets: they
// go one at a time, in descending order, each when those before it are gone.
func (r *round) scaleInOrdered() (goOn bool) {
	if len(r.condemned) == 0 {
		return true
	}
	p := r.condemned[0]
	switch {
	// 1. One at a time.
	case p.terminating:
		r.wait(p, "its pod is terminating; the set scales in one pet at a time")

	// 2. An unhealthy pet does not go while another is unhealthy too: somebody
	// may want to look before more is lost. The lowest of them may go. One whose
	// pod ended may go as well: it will never be healthy, and the set would be
	// stuck, as with upstream's controller it is. So may one that the set would
	// replace for being broken.
	case r.unavailable(p) && !p.finished && !r.broken(p) && p != r.lowestUnavailableCondemned():
		r.wait(r.lowestUnavailableCondemned(), "its pod is not available; scaling in halts meanwhile")

	// 3. It goes, when it has drained.
	case r.drain(p):
		r.deletePod(p, "the set has no such ordinal any more")
	}
	return false
}

// lowestUnavailableCondemned returns the lowest unavailable pet. When it is
// asked, the pets that should exist are all available.
func (r *round) lowestUnavailableCondemned() pet {
	for i := len(r.condemned) - 1; i >= 0; i-- {
		if r.unavailable(r.condemned[i]) {
			return r.condemned[i]
		}
	}
	return pet{}
}
