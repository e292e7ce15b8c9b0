package petset

import (
	corev1 "k8s.io/api/core/v1"
)

// newClaim makes a pet's claim from a template. It carries its owners from its
// first moment, so that nothing that happens between two writes can leave it
// without the retention that the user asked for.
func (s Set) newClaim(template *corev1.PersistentVolumeClaim, p pet) *corev1.PersistentVolumeClaim {
	claim := template.DeepCopy()
	claim.Name = s.ClaimName(template.Name, p.ordinal)
	claim.Namespace = s.Namespace
	if claim.Labels == nil {
		claim.Labels = make(map[string]string, len(s.MatchLabels))
	}
	for key, value := range s.MatchLabels {
		claim.Labels[key] = value
	}
	if owners, change := s.claimOwners(claim.OwnerReferences, p); change {
		claim.OwnerReferences = owners
	}
	return claim
}

// createMissingClaims plans the claims that the pet should have and has not.
func (r *round) createMissingClaims(p pet, why string) {
	for i := range r.Set.ClaimTemplates {
		template := &r.Set.ClaimTemplates[i]
		name := r.Set.ClaimName(template.Name, p.ordinal)
		if r.Claims[name] == nil {
			r.act(Action{Verb: CreateClaim, Ordinal: p.ordinal, Claim: r.Set.newClaim(template, p), Reason: why})
		}
	}
}

// updateClaimOwners plans the owner references that the retention policy asks
// for on the pet's claims.
func (r *round) updateClaimOwners(p pet) {
	for i := range r.Set.ClaimTemplates {
		name := r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, p.ordinal)
		claim := r.Claims[name]
		if claim == nil {
			continue
		}
		owners, change := r.Set.claimOwners(claim.OwnerReferences, p)
		if !change {
			continue
		}
		updated := claim.DeepCopy()
		updated.OwnerReferences = owners
		r.act(Action{Verb: UpdateClaim, Ordinal: p.ordinal, Claim: updated,
			Reason: "the claim retention policy asks for other owners", Warning: r.claimConflict(p)})
	}
}

// claimConflict tells the user of a claim of the pet whose retention policy
// cannot be followed. Empty when there is none.
func (r *round) claimConflict(p pet) string {
	for i := range r.Set.ClaimTemplates {
		claim := r.Claims[r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, p.ordinal)]
		if claim != nil && r.Set.conflicting(claim.OwnerReferences, p) {
			return "PersistentVolumeClaim " + claim.Name + " has another controller among its owners: the retention policy is ignored for this claim"
		}
	}
	return ""
}

// unusableClaim names a claim that a new pod must not be bound to, and why.
func (r *round) unusableClaim(p pet) (why string) {
	for i := range r.Set.ClaimTemplates {
		claim := r.Claims[r.Set.ClaimName(r.Set.ClaimTemplates[i].Name, p.ordinal)]
		switch {
		case claim == nil:
		case claim.DeletionTimestamp != nil:
			return "claim " + claim.Name + " is being deleted"
		case r.Set.Retention.DeleteWhenScaled && ownedByAnotherPod(claim.OwnerReferences, p):
			// It was condemned together with a former pod of this name, and
			// garbage collection has yet to take it. A pod bound to it now
			// would lose it under its feet.
			return "claim " + claim.Name + " belongs to a former pod and is about to be collected"
		}
	}
	return ""
}
