package petset

import (
	"fmt"
	"time"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// A pet that is scaled away drains first, if the set says how. When it began and
// that it is done stand on its pod: a controller that takes over goes on from
// there, and asks again what may have been asked before.

// drain reports whether the pet may go. The first rule that applies decides.
func (r *round) drain(p pet) (mayGo bool) {
	limit := time.Duration(0)
	if r.Set.Drain != nil {
		limit = time.Duration(r.Set.Drain.TimeoutSeconds) * time.Second
	}
	switch since, late := r.drainingFor(p, limit); {
	// 1. What does not run has nothing that it could move to others.
	case r.Set.Drain == nil, p.drained, !p.running:
		return true

	// 2. The clock starts before the drain does.
	case !p.drainStarted:
		pod := p.pod.DeepCopy()
		if pod.Annotations == nil {
			pod.Annotations = map[string]string{}
		}
		pod.Annotations[v1alpha1.DrainStartedAnnotation] = r.Now.UTC().Format(time.RFC3339)
		r.act(Action{Verb: UpdatePod, Ordinal: p.ordinal, Pod: pod, Reason: "it drains before it is scaled away"})
		r.wait(p, "it is about to drain")

	// 3. Its time is over.
	case late && r.Set.Drain.OnTimeout == v1alpha1.DrainProceed:
		r.warnings[p.pod] = fmt.Sprintf("%s did not drain in %v and is scaled away all the same: %s", r.Set.PodName(p.ordinal), limit, r.lastFailure(p))
		return true
	case late:
		r.held = append(r.held, p)
		r.askToDrain(p)
		r.wait(p, fmt.Sprintf("it did not drain in %v, and is held: %s", limit, r.lastFailure(p)))

	// 4. It drains.
	default:
		r.askToDrain(p)
		r.wait(p, fmt.Sprintf("it drains since %s", since.Format(time.RFC3339)))
		r.recheckIn(since.Add(limit).Sub(r.Now))
	}
	return false
}

// askToDrain asks again and again: a drain that failed may yet succeed, and one
// that a controller began that is no more has to be begun anew.
func (r *round) askToDrain(p pet) {
	r.act(Action{Verb: DrainPod, Ordinal: p.ordinal, Pod: p.pod, Reason: "it is to be scaled away"})
	r.recheckIn(drainRetry)
}

// drainRetry is when a drain that failed is tried again.
const drainRetry = 5 * time.Second

// drainingFor returns since when the pet drains, and whether that is longer than
// the limit.
func (r *round) drainingFor(p pet, limit time.Duration) (since time.Time, late bool) {
	if !p.drainStarted {
		return r.Now, false
	}
	since, err := time.Parse(time.RFC3339, p.pod.Annotations[v1alpha1.DrainStartedAnnotation])
	if err != nil {
		return r.Now, true // somebody wrote it who should not have
	}
	return since, r.Now.Sub(since) >= limit
}

func (r *round) lastFailure(p pet) string {
	if why := r.DrainFailures[p.uid()]; why != "" {
		return why
	}
	return "it is not done"
}
