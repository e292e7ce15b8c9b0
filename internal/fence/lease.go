package fence

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// State is what is committed about a node.
type State string

// The states; the package comment shows how they follow each other.
const (
	// Open: the node may run its pets while its lease lasts.
	Open State = "Open"
	// Closing: no majority shall vouch for it any more, and it is fenced unless it
	// takes the lease back.
	Closing State = "Closing"
	// Fenced: it runs no pet, until it has acquired a new epoch.
	Fenced State = "Fenced"
)

const (
	// StateAnnotation holds the State of a node's Lease.
	StateAnnotation = "mainstay.dev/fence-state"
	// MembersAnnotation holds the names of the nodes that may vouch for this one,
	// sorted, with commas between.
	MembersAnnotation = "mainstay.dev/fence-members"
	// ReasonAnnotation tells people why the lease is Closing or Fenced.
	ReasonAnnotation = "mainstay.dev/fence-reason"
)

// Record is what a node's Lease commits.
type Record struct {
	State State
	// Epoch rises whenever pets may have been stopped or refused: 1 is the first.
	Epoch int32
	// Machine identifies the hardware or virtual machine that holds the lease, so
	// that a second one of the same name does not take over from one that lives.
	Machine string
	// Members are the nodes of which a majority may vouch, this one included.
	Members Members
	// Reason is why the lease is Closing or Fenced, from who wrote that: for people.
	Reason string
}

// Lease is a record as it was read or is to be written.
type Lease struct {
	Node string
	// UID tells the Lease from one of the same name that was there before.
	UID types.UID
	// Version is the resourceVersion: as read, or the precondition of a write. 0:
	// the object does not exist. Versions can be compared (KEP-5504).
	Version uint64
	Record
}

// Subject is what members vouch for and refuse.
func (l Lease) Subject() Subject { return Subject{Node: l.Node, UID: l.UID} }

// Subject names a node's Lease.
type Subject struct {
	Node string
	UID  types.UID
}

// FromObject reads a Lease. Whoever gets an error takes no decision about that node.
func FromObject(object *coordinationv1.Lease) (Lease, error) {
	fail := func(what string) (Lease, error) {
		return Lease{}, fmt.Errorf("lease %s/%s cannot be read: %s; if somebody edited it, make sure that node %s is off, then delete the lease",
			object.Namespace, object.Name, what, object.Name)
	}
	version, err := strconv.ParseUint(object.ResourceVersion, 10, 64)
	if err != nil {
		return fail(fmt.Sprintf("its resourceVersion %q is no number", object.ResourceVersion))
	}
	state := State(object.Annotations[StateAnnotation])
	if !slices.Contains([]State{Open, Closing, Fenced}, state) {
		return fail(fmt.Sprintf("annotation %s is %q", StateAnnotation, state))
	}
	if object.Spec.LeaseTransitions == nil || *object.Spec.LeaseTransitions < 1 {
		return fail("it has no spec.leaseTransitions")
	}
	if object.Spec.HolderIdentity == nil || *object.Spec.HolderIdentity == "" {
		return fail("it has no spec.holderIdentity")
	}
	members := Members(strings.Split(object.Annotations[MembersAnnotation], ","))
	if !members.valid(object.Name) {
		return fail(fmt.Sprintf("annotation %s is %q; it must name every member once, in order, and the node itself", MembersAnnotation, object.Annotations[MembersAnnotation]))
	}
	return Lease{Node: object.Name, UID: object.UID, Version: version, Record: Record{
		State: state, Epoch: *object.Spec.LeaseTransitions, Machine: *object.Spec.HolderIdentity, Members: members, Reason: object.Annotations[ReasonAnnotation],
	}}, nil
}

// WriteTo puts the lease into an object that is then created (Version 0) or
// updated. The times are for people; nothing reads them.
func (l Lease) WriteTo(object *coordinationv1.Lease, terms Terms, at time.Time) {
	object.Name, object.UID, object.ResourceVersion = l.Node, l.UID, ""
	if l.Version != 0 {
		object.ResourceVersion = strconv.FormatUint(l.Version, 10)
	}
	metav1.SetMetaDataAnnotation(&object.ObjectMeta, StateAnnotation, string(l.State))
	metav1.SetMetaDataAnnotation(&object.ObjectMeta, MembersAnnotation, strings.Join(l.Members, ","))
	if l.Reason != "" {
		metav1.SetMetaDataAnnotation(&object.ObjectMeta, ReasonAnnotation, l.Reason)
	}
	if object.Spec.LeaseTransitions == nil || *object.Spec.LeaseTransitions != l.Epoch {
		object.Spec.AcquireTime = &metav1.MicroTime{Time: at}
	}
	// A renewal must change the object: an update that changes nothing gets no new
	// resourceVersion, and would be no renewal.
	object.Spec.RenewTime = &metav1.MicroTime{Time: at}
	seconds := int32((terms.Term + time.Second - 1) / time.Second)
	object.Spec.LeaseDurationSeconds = &seconds
	epoch, machine := l.Epoch, l.Machine
	object.Spec.LeaseTransitions, object.Spec.HolderIdentity = &epoch, &machine
}
