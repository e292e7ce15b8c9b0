package petset

import (
	"iter"
	"slices"

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
	if owners, change := s.claimOwners(claim.OwnerReferences, p, false); change {
		claim.OwnerReferences = owners
	}
	return claim
}

// claimsOf goes through the set's claim templates, each with the pet's claim of it,
// or nil.
func (r *round) claimsOf(p pet) iter.Seq2[*corev1.PersistentVolumeClaim, *corev1.PersistentVolumeClaim] {
	return func(yield func(template, claim *corev1.PersistentVolumeClaim) bool) {
		for i := range r.Set.ClaimTemplates {
			template := &r.Set.ClaimTemplates[i]
			if !yield(template, r.Claims[r.Set.ClaimName(template.Name, p.ordinal)]) {
				return
			}
		}
	}
}

// createMissingClaims plans the claims that the pet should have and has not.
func (r *round) createMissingClaims(p pet, why string) {
	for template, claim := range r.claimsOf(p) {
		if claim == nil {
			made := r.Set.newClaim(template, p)
			r.noteReplaced(made)
			r.act(Action{Verb: CreateClaim, Ordinal: p.ordinal, Claim: made, Reason: why})
		}
	}
}

// updateClaimOwners plans the owner references that the retention policy asks
// for on the pet's claims.
func (r *round) updateClaimOwners(p pet) {
	for _, claim := range r.claimsOf(p) {
		r.updateOwners(p, claim, false)
	}
	for _, name := range r.Set.formerClaims(p) {
		r.updateOwners(p, r.Claims[name], true)
	}
}

// formerClaims are the claims of the pet's pod whose templates were removed.
func (s Set) formerClaims(p pet) (names []string) {
	if !s.ClaimsFollow || !p.mountsClaims {
		return nil
	}
	for i := range p.pod.Spec.Volumes {
		volume := &p.pod.Spec.Volumes[i]
		is := func(template corev1.PersistentVolumeClaim) bool { return template.Name == volume.Name }
		if source := volume.PersistentVolumeClaim; source != nil && source.ClaimName == s.ClaimName(volume.Name, p.ordinal) &&
			!slices.ContainsFunc(s.ClaimTemplates, is) {
			names = append(names, source.ClaimName)
		}
	}
	return names
}

// lostClaim is a claim that the pet's pod mounts, that is not there or is lost with its
// volume, and that no template would make again.
func (r *round) lostClaim(p pet) string {
	for _, name := range r.Set.formerClaims(p) {
		if _, lost := r.untilLoss(r.Claims[name]); r.Claims[name] == nil || lost && p.homeless() {
			return name
		}
	}
	return ""
}

func (r *round) updateOwners(p pet, claim *corev1.PersistentVolumeClaim, former bool) {
	if claim == nil {
		return
	}
	if owners, change := r.Set.claimOwners(claim.OwnerReferences, p, former); change {
		updated := claim.DeepCopy()
		updated.OwnerReferences = owners
		r.act(Action{Verb: UpdateClaim, Ordinal: p.ordinal, Claim: updated,
			Reason: "the claim retention policy asks for other owners", Warning: r.claimConflict(p)})
	}
}

// ClaimsToObserve are the names of all claims that a decision may need to know.
func (s Set) ClaimsToObserve(pods []*corev1.Pod) []string {
	if len(s.ClaimTemplates) == 0 && !s.ClaimsFollow {
		return nil
	}
	names := make([]string, 0, len(s.ClaimTemplates)*max(s.Replicas, len(pods)))
	all := func(ordinal int) {
		for i := range s.ClaimTemplates {
			names = append(names, s.ClaimName(s.ClaimTemplates[i].Name, ordinal))
		}
	}
	for index := range s.Replicas {
		all(s.Ordinals.At(index))
	}
	for _, pod := range pods {
		_, ordinal, ok := SplitOrdinal(pod.Name)
		if ok && !s.Contains(ordinal) {
			all(ordinal)
		}
		if ok {
			names = append(names, s.formerClaims(petOf(pod))...)
		}
	}
	return names
}

// claimConflict tells the user of a claim of the pet whose retention policy
// cannot be followed. Empty when there is none.
func (r *round) claimConflict(p pet) string {
	for _, claim := range r.claimsOf(p) {
		if claim != nil && r.Set.conflicting(claim.OwnerReferences, p) {
			// Upstream's words, as they are: people match on them.
			return "PersistentVolumeClaim " + claim.Name + " has a conflicting OwnerReference that acts as a manging controller, the retention policy is ignored for this claim"
		}
	}
	return ""
}

// waitForClaim tells what is the matter with the pet's claims. Users are told of
// one that is being deleted, in upstream's words.
func (r *round) waitForClaim(p pet) (waitFor string) {
	if name := r.claimBeingDeleted(p); name != "" {
		r.plan.Uncreatable = append(r.plan.Uncreatable, Wait{Pod: r.Set.PodName(p.ordinal), Reason: "pvc " + name + " is being deleted"})
	}
	return r.unusableClaim(p)
}

// unusableClaim names a claim that a new pod must not be bound to, and why.
func (r *round) unusableClaim(p pet) (why string) {
	if name := r.claimBeingDeleted(p); name != "" {
		return "claim " + name + " is being deleted"
	}
	for _, claim := range r.claimsOf(p) {
		switch {
		case claim == nil:
		case r.Set.ownedByAnotherPod(claim.OwnerReferences, p):
			// It was condemned together with a former pod of this name, and
			// garbage collection has yet to take it. A pod bound to it now
			// would lose it under its feet.
			return "claim " + claim.Name + " belongs to a former pod and is about to be collected"
		}
	}
	return ""
}

func (r *round) claimBeingDeleted(p pet) (name string) {
	for _, claim := range r.claimsOf(p) {
		if claim != nil && claim.DeletionTimestamp != nil {
			return claim.Name
		}
	}
	return ""
}
