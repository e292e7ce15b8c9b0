package petset

import (
	"fmt"
	"time"

	apps "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	appsdefaults "k8s.io/kubernetes/pkg/apis/apps/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// PetSetKind is the kind that owns the objects of a PetSet.
var PetSetKind = v1alpha1.GroupVersion.WithKind("PetSet")

// FromPetSet converts a PetSet. The result shares memory with it. An error means
// that the spec cannot be acted on until somebody changes it.
func FromPetSet(in *v1alpha1.PetSet) (Set, error) {
	stateful := asStatefulSet(in)
	// What an API server fills in for a StatefulSet: a set that changes its kind
	// has the same revisions before and after.
	stateful.Spec.Template = *in.Spec.Template.DeepCopy()
	appsdefaults.SetObjectDefaults_StatefulSet(stateful)
	set, err := fromStatefulSet(stateful)
	if err == nil {
		err = set.takePetSet(in.Spec)
	}
	if err != nil {
		return Set{}, fmt.Errorf("PetSet %s/%s: %w", in.Namespace, in.Name, err)
	}
	return set, nil
}

// takePetSet takes what a StatefulSet has not.
func (s *Set) takePetSet(spec v1alpha1.PetSetSpec) (err error) {
	s.Kind = PetSetKind
	s.ReplaceBroken = spec.Recovery == nil || spec.Recovery.BrokenRevision != v1alpha1.BrokenRevisionWait
	s.Failover, s.VolumeLoss = takeFailover(spec.Failover), takeVolumeLoss(spec.VolumeLoss)
	if spec.Ordinals != nil {
		if s.Ordinals, err = NewOrdinals(int(spec.Ordinals.Start), spec.Ordinals.Reserved); err != nil {
			return fmt.Errorf("spec.ordinals.reserved: %w", err)
		}
	}
	s.Overrides, s.Drain, s.ClaimsFollow = spec.Overrides, spec.Drain, true
	if err := s.checkTemplates(); err != nil {
		return err
	}
	return s.Update.takeRolling(spec.UpdateStrategy.RollingUpdate)
}

func (u *UpdateStrategy) takeRolling(spec *v1alpha1.RollingUpdate) (err error) {
	if u.OnDelete {
		return nil
	}
	if u.MaxUnavailable == nil {
		// One by one: since the order may change on the way, whoever is away counts.
		u.MaxUnavailable = ptr.To(1)
	}
	if spec == nil {
		return nil
	}
	u.Ascending, u.Paused = spec.Order == v1alpha1.Ascending, spec.Paused
	u.InPlace = spec.InPlace == v1alpha1.InPlaceIfPossible
	if spec.Order == v1alpha1.LeaderLast {
		if u.LeaderLast, err = selectorOf(spec.LeaderSelector); err != nil {
			return fmt.Errorf("spec.updateStrategy.rollingUpdate.leaderSelector: %w", err)
		}
	}
	return nil
}

// asStatefulSet is the part of a PetSet that a StatefulSet has, too.
func asStatefulSet(in *v1alpha1.PetSet) *apps.StatefulSet {
	out := &apps.StatefulSet{ObjectMeta: in.ObjectMeta}
	out.Spec = apps.StatefulSetSpec{
		Replicas:                             in.Spec.Replicas,
		Selector:                             in.Spec.Selector,
		Template:                             in.Spec.Template,
		VolumeClaimTemplates:                 in.Spec.VolumeClaimTemplates,
		ServiceName:                          in.Spec.ServiceName,
		PodManagementPolicy:                  in.Spec.PodManagementPolicy,
		UpdateStrategy:                       apps.StatefulSetUpdateStrategy{Type: in.Spec.UpdateStrategy.Type},
		RevisionHistoryLimit:                 in.Spec.RevisionHistoryLimit,
		MinReadySeconds:                      in.Spec.MinReadySeconds,
		PersistentVolumeClaimRetentionPolicy: in.Spec.PersistentVolumeClaimRetentionPolicy,
	}
	if rolling := in.Spec.UpdateStrategy.RollingUpdate; rolling != nil {
		out.Spec.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{
			Partition: rolling.Partition, MaxUnavailable: rolling.MaxUnavailable}
	} else if in.Spec.UpdateStrategy.Type != apps.OnDeleteStatefulSetStrategyType {
		// As the API server does for a StatefulSet.
		out.Spec.UpdateStrategy.RollingUpdate = &apps.RollingUpdateStatefulSetStrategy{Partition: ptr.To[int32](0)}
	}
	out.Status = apps.StatefulSetStatus{
		ObservedGeneration: in.Status.ObservedGeneration,
		Replicas:           in.Status.Replicas,
		ReadyReplicas:      in.Status.ReadyReplicas,
		AvailableReplicas:  in.Status.AvailableReplicas,
		CurrentReplicas:    in.Status.CurrentReplicas,
		UpdatedReplicas:    in.Status.UpdatedReplicas,
		CurrentRevision:    in.Status.CurrentRevision,
		UpdateRevision:     in.Status.UpdateRevision,
		CollisionCount:     in.Status.CollisionCount,
	}
	return out
}

// StatusOfPetSet is what a plan has to say of a PetSet.
func StatusOfPetSet(set *v1alpha1.PetSet, plan Plan) v1alpha1.PetSetStatus {
	return v1alpha1.PetSetStatus{
		ObservedGeneration: plan.Status.ObservedGeneration,
		Replicas:           plan.Status.Replicas,
		ReadyReplicas:      plan.Status.ReadyReplicas,
		AvailableReplicas:  plan.Status.AvailableReplicas,
		CurrentReplicas:    plan.Status.CurrentReplicas,
		UpdatedReplicas:    plan.Status.UpdatedReplicas,
		CurrentRevision:    plan.Status.CurrentRevision,
		UpdateRevision:     plan.Status.UpdateRevision,
		CollisionCount:     plan.Status.CollisionCount,
		Selector:           metav1.FormatLabelSelector(set.Spec.Selector),
		Conditions:         conditions(set.Status.Conditions, plan),
	}
}

// InvalidStatus is the status of a PetSet that FromPetSet refuses.
func InvalidStatus(set *v1alpha1.PetSet, err error, now time.Time) v1alpha1.PetSetStatus {
	status := *set.Status.DeepCopy()
	status.ObservedGeneration = set.Generation
	setCondition(&status.Conditions, set.Generation, now, v1alpha1.ConditionProgressing, false, v1alpha1.ReasonInvalid, err.Error())
	setCondition(&status.Conditions, set.Generation, now, v1alpha1.ConditionStuck, true, v1alpha1.ReasonInvalid, err.Error())
	return status
}
