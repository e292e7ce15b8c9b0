package petset

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
)

// The promises about claims.

// Garbage collection may get a claim only as the retention policy says: with its
// pod when that was scaled away or has no use for it any more, with the set when
// that goes.
func (r *round) mayOwn(a Action) error {
	for _, owner := range a.Claim.OwnerReferences {
		if was := r.Claims[a.Claim.Name]; was != nil && find(was.OwnerReferences, owner.UID) != nil {
			continue // it was before
		}
		switch {
		case owner.Kind == "Pod" && !r.Set.Retention.DeleteWhenScaled, owner.Kind == "Pod" && r.wantsClaim(a):
			return fmt.Errorf("its pod owns it")
		case owner.Kind == r.Set.Kind.Kind && !r.Set.Retention.DeleteWhenDeleted:
			return fmt.Errorf("its set owns it")
		}
	}
	return nil
}

// wantsClaim: the claim is one that a pet should have.
func (r *round) wantsClaim(a Action) bool {
	return r.Set.Contains(a.Ordinal) && slices.ContainsFunc(r.Set.ClaimTemplates, func(t corev1.PersistentVolumeClaim) bool {
		return r.Set.ClaimName(t.Name, a.Ordinal) == a.Claim.Name
	})
}

// A claim never shrinks, and only a set whose claims follow changes one.
func (r *round) mayResizeClaim(a Action) error {
	was := r.Claims[a.Claim.Name]
	switch {
	case a.Verb == CreateClaim && was != nil:
		return fmt.Errorf("there is one")
	case a.Verb == CreateClaim && !r.wantsClaim(a):
		return fmt.Errorf("nobody wants it")
	case a.Verb == CreateClaim:
		return nil
	case was == nil || was.ResourceVersion != a.Claim.ResourceVersion:
		return fmt.Errorf("that is not the claim as it was observed")
	case requested(a.Claim) < requested(was):
		return fmt.Errorf("it shrinks")
	case !r.Set.ClaimsFollow && !equality.Semantic.DeepEqual(a.Claim.Spec, was.Spec):
		return fmt.Errorf("its spec changes")
	}
	return nil
}
