package petset

import (
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Observation is all that a decision rests on. Nothing in it is changed.
type Observation struct {
	Set Set
	// Current is the revision that pets are on that an update has not reached;
	// Update the one they go to. The same when no update is under way.
	Current Revision
	Update  Revision
	// Former are other revisions that pods of the set may be on, by name. A pod
	// on one that is not there can only be replaced, not changed.
	Former map[string]Revision
	// CollisionCount is how often a revision's name was taken already.
	CollisionCount int32
	// Pods that the set controls, in any order; each is a member of the set.
	Pods []*corev1.Pod
	// Facts of the pods that were looked at before. Those of others are read now.
	Facts map[*corev1.Pod]Facts
	// Claims by name. Those of other sets do no harm.
	Claims map[string]*corev1.PersistentVolumeClaim
	// Volumes by name: those of claims that are lost, or may be in a set that
	// replaces such claims; and those that were kept in the place of a claim that
	// is missing now, or of which another claim says that it replaces them.
	Volumes map[string]*corev1.PersistentVolume
	// Nodes are all of the cluster, wherever there are Volumes.
	Nodes []*corev1.Node
	// Snapshots are those of the set's namespace, where a claim is lost that is to be
	// restored from one.
	Snapshots []snapshotv1.VolumeSnapshot
	// FailedOver says which fenced node the pod of a pet was taken from that has no
	// pod now, by the pod's name.
	FailedOver map[string]string
	// NameTaken says which other set has the same name for its pods, if any:
	// until it is gone, nothing is done.
	NameTaken string
	// Unready says why what the set depends on is not ready, if it is not.
	Unready []string
	// DrainFailures say why the last attempt to drain a pod failed, by its UID.
	DrainFailures map[types.UID]string
	Now           time.Time
}

// Revision is a version of what pods are made from.
type Revision struct {
	Name     string
	Template *corev1.PodTemplateSpec
	// overridden templates take the place of it for some ordinals.
	overridden []overriddenTemplate
}

// Plan is what to do now, what the set then waits for, and what to tell.
type Plan struct {
	// Actions in the order of their stages, and of a pet's own actions.
	Actions []Action
	// Waits says why the plan does not go further, pet by pet.
	Waits []Wait
	// Uncreatable are the pods among them that cannot be created, and why, where
	// users may have to do something about it.
	Uncreatable []Wait
	// Status of the set as observed, not as it will be after the actions.
	Status apps.StatefulSetStatus
	// Wanted is how many pets there should be, Trouble what keeps one from getting
	// on by itself, and Now the time of the observation.
	Wanted  int
	Trouble *Trouble
	Now     time.Time
	// RecheckAfter is when to decide again although nothing changed. Zero:
	// never.
	RecheckAfter time.Duration
}

// Wait is a pet that the plan waits for.
type Wait struct {
	Pod    string
	Reason string
}

// Decide plans what a set needs next. The groups of rules stand in their
// order of precedence: pets that should exist come before those that should
// not, and scaling comes before updating.
func Decide(o Observation) Plan {
	r := newRound(o)
	status := r.status()
	switch {
	case o.Set.Deleting:
		// The pods of a set that is being deleted are garbage collection's.
	case o.NameTaken != "":
		r.plan.Waits = []Wait{{Pod: o.Set.Name, Reason: o.NameTaken}}
	default:
		_ = r.keep() && r.scaleIn() && r.update()
		r.changeClaims()
	}
	status.CurrentReplicas -= r.retired
	r.plan.Status = completed(o.Set, status)
	r.recheckWhenAvailable()
	r.plan.Wanted, r.plan.Trouble, r.plan.Now = o.Set.Replicas, r.trouble(), o.Now
	return r.plan
}
