package petset

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// How the controller carries a plan out, and what goes wrong on the way.

var (
	errLost        = errors.New("the connection broke: nobody knows what became of the write")
	errUnavailable = errors.New("the API server is too busy")
)

// carryOut does what the plan says, stage by stage, and stops after a stage that
// failed. The pets of a stage are served in any order.
func (w *world) carryOut(o Observation, actions []Action, faults bool) (died bool, refused error) {
	w.controller.failed = false
	for len(actions) > 0 && !w.controller.failed {
		end := slices.IndexFunc(actions, func(a Action) bool { return a.Stage != actions[0].Stage })
		if end < 0 {
			end = len(actions)
		}
		pets := byOrdinal(actions[:end])
		w.rand.Shuffle(len(pets), func(i, j int) { pets[i], pets[j] = pets[j], pets[i] })
		for _, pet := range pets {
			for _, action := range pet {
				if faults && w.chance(40) {
					return true, nil
				}
				if err := w.write(o, action, faults); err != nil {
					w.controller.failed = true
					if !errors.Is(err, errConflict) {
						refused = err
					}
					break
				}
			}
		}
		actions = actions[end:]
	}
	return false, refused
}

// byOrdinal splits the actions of a stage by pet.
func byOrdinal(actions []Action) (pets [][]Action) {
	for len(actions) > 0 {
		end := slices.IndexFunc(actions, func(a Action) bool { return a.Ordinal != actions[0].Ordinal })
		if end < 0 {
			end = len(actions)
		}
		pets, actions = append(pets, actions[:end]), actions[end:]
	}
	return pets
}

// write is one request, with all that can happen to it: others write before it,
// it is refused, or the answer to it is lost. Then the controller goes by what it
// owes the rules: it looks no more at a view from before the write.
func (w *world) write(o Observation, a Action, faults bool) error {
	if faults && w.chance(6) {
		w.othersAct(true)
	}
	if faults && w.chance(25) {
		return errUnavailable
	}
	before := w.length()
	err := w.perform(a)
	if w.length() > before {
		w.witness.acted(w, o, a)
	}
	lost := faults && a.Verb != DrainPod && w.chance(25)
	w.say("controller: %s %s: %s%s%s", a.Verb, a.Object(), a.Reason, failure(err), map[bool]string{true: " (the answer is lost)"}[lost])
	switch {
	case err != nil:
		return err
	case a.Claim != nil:
		w.claims.catchUp()
	case a.Volume != nil:
		w.volumes.catchUp()
	case w.length() > before:
		w.pods.catchUp()
	}
	if lost {
		return errLost
	}
	return nil
}

func failure(err error) string {
	if err == nil {
		return ""
	}
	return ": FAILS, " + err.Error()
}

func (w *world) perform(a Action) error {
	var err error
	switch a.Verb {
	case CreateClaim:
		err = w.createClaim(a.Claim)
	case UpdateClaim:
		err = w.updateClaim(a.Claim)
	case DeleteClaim:
		w.deleteClaimExactly(a.Claim)
	case UpdateVolume:
		err = w.updateVolume(a.Volume)
	case CreatePod:
		err = w.createPod(a.Pod)
	case UpdatePod:
		err = w.updatePod(a.Pod)
	case ResizePod:
		err = w.resizePod(a.Pod)
	case DrainPod:
		w.controller.drain(w, a.Pod)
	case DeletePod:
		w.deleteExactly(a.Pod)
	}
	if a.ElseDelete && errors.Is(err, errInvalid) {
		w.deleteExactly(a.Pod)
		err = nil
	}
	return err
}

func (w *world) deleteExactly(pod *corev1.Pod) {
	if was := w.pods.truth()[pod.Name]; was != nil && was.UID == pod.UID {
		w.deletePod(pod.Name)
	}
}

// writeStatus fails when the set is not the one that was observed.
func (w *world) writeStatus(seen *v1alpha1.PetSet, plan Plan) {
	status := seen.Status
	switch {
	case !w.stateful:
		status = StatusOfPetSet(seen, plan)
	case StatusChanged(asStatefulSet(seen).Status, plan.Status):
		status = StatusOfPetSet(seen, plan)
	}
	switch {
	case apiequality.Semantic.DeepEqual(status, seen.Status):
	case seen != w.sets.truth():
		w.controller.failed = true
	default:
		set := *seen // what it points to is shared, and only read
		set.ResourceVersion, set.Status = w.unique(), status
		w.sets.push(&set)
		w.sets.catchUp()
	}
}
