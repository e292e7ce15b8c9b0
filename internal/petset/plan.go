package petset

import (
	"cmp"
	"slices"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// Observation is all that a decision rests on. Nothing in it is changed.
type Observation struct {
	Set Set
	// Current is the revision that pets are on that an update has not reached;
	// Update the one they go to. The same when no update is under way.
	Current Revision
	Update  Revision
	// CollisionCount is how often a revision's name was taken already.
	CollisionCount int32
	// Pods that the set controls, in any order; each is a member of the set.
	Pods []*corev1.Pod
	// Claims by name. Those of other sets do no harm.
	Claims map[string]*corev1.PersistentVolumeClaim
	Now    time.Time
}

// Revision is a version of the pod template.
type Revision struct {
	Name     string
	Template *corev1.PodTemplateSpec
}

// Plan is what to do now, what the set then waits for, and what to tell.
type Plan struct {
	// Actions in the order of their stages, and of a pet's own actions.
	Actions []Action
	// Waits says why the plan does not go further, pet by pet.
	Waits []Wait
	// Status of the set as observed, not as it will be after the actions.
	Status apps.StatefulSetStatus
	// RecheckAfter is when to decide again although nothing changed. Zero:
	// never.
	RecheckAfter time.Duration
}

// Wait is a pet that the plan waits for.
type Wait struct {
	Pod    string
	Reason string
}

// Verb is what an action does.
type Verb string

// The verbs, in the order in which a pet may need them.
const (
	CreateClaim Verb = "create claim"
	UpdateClaim Verb = "update claim"
	CreatePod   Verb = "create pod"
	UpdatePod   Verb = "update pod"
	DeletePod   Verb = "delete pod"
)

// Stage orders the actions of a plan. Within a stage the actions for one
// ordinal follow each other, those for different ordinals may run at once. A
// stage starts when every action of the stages before it has succeeded.
type Stage int

// The stages, in their order.
const (
	StageKeep    Stage = iota // the pets that should exist do, and are themselves
	StageMark                 // the claims of pets to be scaled away have their owners
	StageScaleIn              // pets to be scaled away go
	StageUpdate               // pets on another revision make room for their successors
)

// Action is one write to the API server.
type Action struct {
	Verb    Verb
	Stage   Stage
	Ordinal int
	// Pod is what to create, what to update to, or what to delete: then its
	// UID is the precondition, and it gets all the grace that it asks for.
	Pod *corev1.Pod
	// Claim is what to create or to update to.
	Claim  *corev1.PersistentVolumeClaim
	Reason string
	// Warning is what the user should hear beside it, if anything.
	Warning string
}

// Object names what the action acts on.
func (a Action) Object() string {
	if a.Claim != nil {
		return a.Claim.Name
	}
	return a.Pod.Name
}

// Decide plans what a set needs next. The groups of rules stand in their
// order of precedence: pets that should exist come before those that should
// not, and scaling comes before updating.
func Decide(o Observation) Plan {
	r := newRound(o)
	status := r.status()
	if !o.Set.Deleting {
		// The pods of a set that is being deleted are garbage collection's.
		_ = r.keep() && r.scaleIn() && r.update()
	}
	status.CurrentReplicas -= r.retired
	r.plan.Status = completed(o.Set, status)
	r.plan.RecheckAfter = r.recheckAfter()
	return r.plan
}

// round is one decision in the making.
type round struct {
	Observation
	// replicas are the pets that should exist, by index: ordinal less start.
	replicas []pet
	// condemned are the pods of other ordinals, the highest first.
	condemned []pet
	// leaving are the pods that this plan deletes.
	leaving map[*corev1.Pod]bool
	// retired counts the pods of the current revision that an update deletes.
	retired int32
	stage   Stage
	plan    Plan
}

func newRound(o Observation) *round {
	r := &round{Observation: o, replicas: make([]pet, o.Set.Replicas), leaving: map[*corev1.Pod]bool{}}
	for i := range r.replicas {
		ordinal := o.Set.Start + i
		r.replicas[i] = pet{ordinal: ordinal, name: o.Set.PodName(ordinal)}
	}
	for _, pod := range o.Pods {
		_, ordinal, ok := SplitOrdinal(pod.Name)
		switch {
		case !ok:
		case o.Set.Contains(ordinal):
			r.replicas[ordinal-o.Set.Start].pod = pod
		default:
			r.condemned = append(r.condemned, pet{ordinal: ordinal, name: pod.Name, pod: pod})
		}
	}
	slices.SortFunc(r.condemned, func(a, b pet) int { return cmp.Compare(b.ordinal, a.ordinal) })
	return r
}

func (r *round) act(a Action) {
	a.Stage = r.stage
	r.plan.Actions = append(r.plan.Actions, a)
}

func (r *round) deletePod(p pet, why string) {
	r.leaving[p.pod] = true
	r.act(Action{Verb: DeletePod, Ordinal: p.ordinal, Pod: p.pod, Reason: why})
}

func (r *round) wait(p pet, why string) {
	r.plan.Waits = append(r.plan.Waits, Wait{Pod: p.name, Reason: why})
}

func (r *round) available(p pet) bool {
	return p.available(r.Set.MinReadySeconds, r.Now)
}

func (r *round) unavailable(p pet) bool {
	return r.leaving[p.pod] || p.unavailable(r.Set.MinReadySeconds, r.Now)
}
