package petset

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// round is one decision in the making.
type round struct {
	Observation
	// replicas are the pets that should exist, by index.
	replicas []pet
	// condemned are the pods of other ordinals, the highest first.
	condemned []pet
	// leaving are the pods that this plan deletes.
	leaving map[*corev1.Pod]bool
	// retired counts the pods of the current revision that an update deletes.
	retired int32
	// turn holds the ordinals of the pets whose lost claims are replaced now.
	turn map[int]bool
	// held are the pets that are kept since they did not drain.
	held []pet
	// warnings for the user, about pods that are deleted.
	warnings map[*corev1.Pod]string
	stage    Stage
	plan     Plan
}

func newRound(o Observation) *round {
	r := &round{Observation: o, replicas: make([]pet, o.Set.Replicas), leaving: map[*corev1.Pod]bool{}, warnings: map[*corev1.Pod]string{}}
	r.condemned = make([]pet, 0, max(0, len(o.Pods)-o.Set.Replicas))
	r.Current.Name, r.Update.Name = oneCopy(r.Current.Name), oneCopy(r.Update.Name)
	for i := range r.replicas {
		r.replicas[i] = pet{index: i, Facts: Facts{ordinal: o.Set.Ordinals.At(i)}}
	}
	for _, pod := range o.Pods {
		facts := o.factsOf(pod)
		if !facts.named {
			continue
		}
		if index, ok := o.Set.Ordinals.Index(facts.ordinal); ok && index < o.Set.Replicas {
			r.replicas[index].pod, r.replicas[index].Facts = pod, facts
		} else {
			r.condemned = append(r.condemned, pet{pod: pod, Facts: facts})
		}
	}
	slices.SortFunc(r.condemned, func(a, b pet) int { return cmp.Compare(b.ordinal, a.ordinal) })
	r.turn = r.chooseReplaced()
	return r
}

func (r *round) act(a Action) {
	a.Stage = r.stage
	r.plan.Actions = append(r.plan.Actions, a)
}

func (r *round) deletePod(p pet, why string) {
	r.leaving[p.pod] = true
	r.act(Action{Verb: DeletePod, Ordinal: p.ordinal, Pod: p.pod, Reason: why, Warning: r.warnings[p.pod]})
}

func (r *round) wait(p pet, why string) {
	r.plan.Waits = append(r.plan.Waits, Wait{Pod: r.Set.PodName(p.ordinal), Reason: why})
}

// recheckIn asks for another look, although nothing may change until then.
func (r *round) recheckIn(d time.Duration) {
	if d > 0 && (r.plan.RecheckAfter == 0 || d < r.plan.RecheckAfter) {
		r.plan.RecheckAfter = d
	}
}

func (r *round) available(p pet) bool {
	return p.available(r.Set.MinReadySeconds, r.Now)
}

func (r *round) unavailable(p pet) bool {
	return r.leaving[p.pod] || p.unavailable(r.Set.MinReadySeconds, r.Now)
}
