package petset

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// Claims are never deleted here. The retention policy (KEP-1847) is written
// into their owner references, and garbage collection follows those:
//
//	whenScaled  whenDeleted   in range   scaled away
//	Retain      Retain        -          -
//	Retain      Delete        set        set
//	Delete      Retain        -          pod
//	Delete      Delete        set        pod
//
// A claim whose template was removed is treated like one scaled away, as soon as
// its pod makes room for one without it.

var podKind = corev1.SchemeGroupVersion.WithKind("Pod")

// claimOwners returns the owners that a pet's claim should have, and whether
// they differ from what it has. A former claim is one whose template was removed.
func (s Set) claimOwners(have []metav1.OwnerReference, p pet, former bool) (owners []metav1.OwnerReference, change bool) {
	set, pod := s.owner(), &metav1.ObjectMeta{Name: s.PodName(p.ordinal), UID: p.uid()}

	// An owner of our name with another UID is from an earlier life. What was
	// decided then stands; garbage collection knows what to do. But a claim that
	// was to go with a former pod is kept if the policy says so by now, and
	// garbage collection has not come by.
	formerPod := stale(have, podKind, pod)
	if stale(have, s.Kind, set) || formerPod && s.Retention.DeleteWhenScaled {
		return have, false
	}

	wantSet, wantPod := s.wantedOwners(p, former)
	if s.conflicting(have, p) {
		wantSet, wantPod = false, false
	}
	if !formerPod && controls(have, set) == wantSet && controls(have, pod) == wantPod &&
		owns(have, set) == wantSet && owns(have, pod) == wantPod {
		return have, false
	}

	owners = []metav1.OwnerReference{}
	for _, ref := range have {
		if !names(ref, s.Kind, set) && !names(ref, podKind, pod) {
			owners = append(owners, ref)
		}
	}
	if wantSet {
		owners = append(owners, *metav1.NewControllerRef(set, s.Kind))
	}
	if wantPod {
		owners = append(owners, *metav1.NewControllerRef(pod, podKind))
	}
	return owners, true
}

func (s Set) wantedOwners(p pet, former bool) (set, pod bool) {
	condemned := former || !s.Contains(p.ordinal)
	pod = s.Retention.DeleteWhenScaled && condemned && p.uid() != ""
	set = s.Retention.DeleteWhenDeleted && !(s.Retention.DeleteWhenScaled && condemned)
	return set, pod
}

// conflicting reports whether somebody else is the claim's controller while a
// policy is asked for. The policy is then not followed: what another controller
// manages is not ours to give away to garbage collection.
func (s Set) conflicting(refs []metav1.OwnerReference, p pet) bool {
	if (s.Retention == Retention{}) {
		return false
	}
	for _, ref := range refs {
		if ref.Controller != nil && *ref.Controller && ref.UID != s.UID && ref.UID != p.uid() {
			return true
		}
	}
	return false
}

func (s Set) ownedByAnotherPod(refs []metav1.OwnerReference, p pet) bool {
	for _, ref := range refs {
		if ref.Kind == podKind.Kind && ref.APIVersion == "v1" && ref.Name == s.PodName(p.ordinal) && ref.UID != p.uid() {
			return true
		}
	}
	return false
}

// names reports whether the reference is to an object of that kind and name,
// of whatever UID.
func names(ref metav1.OwnerReference, kind schema.GroupVersionKind, obj *metav1.ObjectMeta) bool {
	return ref.APIVersion == kind.GroupVersion().String() && ref.Kind == kind.Kind && ref.Name == obj.Name
}

func stale(refs []metav1.OwnerReference, kind schema.GroupVersionKind, obj *metav1.ObjectMeta) bool {
	for _, ref := range refs {
		if names(ref, kind, obj) {
			return ref.UID != obj.UID
		}
	}
	return false
}

func owns(refs []metav1.OwnerReference, obj *metav1.ObjectMeta) bool {
	return find(refs, obj.UID) != nil
}

func controls(refs []metav1.OwnerReference, obj *metav1.ObjectMeta) bool {
	ref := find(refs, obj.UID)
	return ref != nil && ref.Controller != nil && *ref.Controller
}

func find(refs []metav1.OwnerReference, uid types.UID) *metav1.OwnerReference {
	for i := range refs {
		if refs[i].UID == uid && uid != "" {
			return &refs[i]
		}
	}
	return nil
}
