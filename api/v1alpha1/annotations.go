package v1alpha1

// Annotations of an apps/v1 StatefulSet, which has no field for what they say.
const (
	// RecoveryAnnotation is the field recovery.brokenRevision of a PetSet. Without
	// it, the set waits.
	RecoveryAnnotation = "mainstay.dev/recovery"
	// FailoverAnnotation is the field failover.policy of a PetSet: Fenced, which is
	// the default, or Manual.
	FailoverAnnotation = "mainstay.dev/failover"
	// VolumeLossAnnotation is the field volumeLoss.policy of a PetSet: Wait, which is
	// the default, Recreate, or RestoreSnapshot.
	VolumeLossAnnotation = "mainstay.dev/volume-loss"
	// VolumeLossAfterAnnotation is the field volumeLoss.after of a PetSet: 10m
	// without it.
	VolumeLossAfterAnnotation = "mainstay.dev/volume-loss-after"
)

// Annotations that the controller keeps its own notes in. They are read by
// people, and written by nobody else.
const (
	// InPlaceAnnotation on a pod says which change in place is under way.
	InPlaceAnnotation = "mainstay.dev/in-place"
	// DrainStartedAnnotation on a pod is when it was first told to drain.
	DrainStartedAnnotation = "mainstay.dev/drain-started"
	// DrainedAnnotation on a pod is when it had drained.
	DrainedAnnotation = "mainstay.dev/drained"
	// LostSinceAnnotation on a claim is since when its volume has been on a node that
	// is lost. It goes when the node is back.
	LostSinceAnnotation = "mainstay.dev/volume-lost-since"
	// ReplacesAnnotation on a claim names the volume that was lost, and in whose
	// place it gets another one. It goes when the pet is available.
	ReplacesAnnotation = "mainstay.dev/replaces-volume"
	// LostAnnotation on a volume says when and why its claim was replaced. Nothing
	// binds such a volume to a claim again.
	LostAnnotation = "mainstay.dev/lost"
	// RestoreFromAnnotation on a volume that was lost names the snapshot of it from which
	// the claim's next volume is made. It goes when the pet is available.
	RestoreFromAnnotation = "mainstay.dev/restore-from"
	// FormerReclaimPolicyAnnotation on a volume is the reclaim policy that it had
	// before it was lost, and is kept since.
	FormerReclaimPolicyAnnotation = "mainstay.dev/former-reclaim-policy"
)
