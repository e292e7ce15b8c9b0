package fence

import (
	"reflect"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

func someLease() Lease {
	return Lease{Node: "n1", UID: "u", Version: 7, Record: Record{State: Open, Epoch: 3, Machine: "m", Members: Members{"n0", "n1", "n2"}}}
}

func someObject() *coordinationv1.Lease {
	object := &coordinationv1.Lease{}
	someLease().WriteTo(object, DefaultTerms(), time.Unix(1e9, 0))
	return object
}

func TestLeaseThereAndBack(t *testing.T) {
	for _, state := range []State{Open, Closing, Fenced} {
		lease, object := someLease(), someObject()
		lease.State, lease.Reason = state, "the reason for "+string(state)
		lease.WriteTo(object, DefaultTerms(), time.Unix(1e9, 0))
		if back, err := FromObject(object); err != nil || !reflect.DeepEqual(back, lease) {
			t.Errorf("%+v became %+v: %v", lease, back, err)
		}
	}
}

// An update that changes nothing is no renewal: the API gives no new version.
func TestEveryWriteChangesTheObject(t *testing.T) {
	before, after := someObject(), someObject()
	someLease().WriteTo(after, DefaultTerms(), time.Unix(1e9, 1000))
	if reflect.DeepEqual(before, after) {
		t.Error("a renewal has changed nothing")
	}
	if !before.Spec.AcquireTime.Equal(after.Spec.AcquireTime) {
		t.Error("a renewal says that the epoch began again")
	}
}

func TestCreateHasNoVersion(t *testing.T) {
	lease, object := someLease(), someObject()
	lease.Version = 0
	lease.WriteTo(object, DefaultTerms(), time.Unix(1e9, 0))
	if object.ResourceVersion != "" {
		t.Errorf("a lease is created with version %q", object.ResourceVersion)
	}
}

func TestLeaseThatCannotBeRead(t *testing.T) {
	for want, spoil := range map[string]func(*coordinationv1.Lease){
		"resourceVersion": func(l *coordinationv1.Lease) { l.ResourceVersion = "x" },
		"fence-state":     func(l *coordinationv1.Lease) { l.Annotations[StateAnnotation] = "open" },
		"leaseTransitions": func(l *coordinationv1.Lease) {
			l.Spec.LeaseTransitions = nil
		},
		"holderIdentity": func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = nil },
		"the node itself": func(l *coordinationv1.Lease) {
			l.Annotations[MembersAnnotation] = "n0,n2"
		},
		"in order": func(l *coordinationv1.Lease) { l.Annotations[MembersAnnotation] = "n1,n0" },
	} {
		object := someObject()
		spoil(object)
		if _, err := FromObject(object); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
