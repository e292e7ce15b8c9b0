package petset

import (
	"errors"
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// StatefulSetKind is the kind that owns the objects of an apps/v1 StatefulSet.
var StatefulSetKind = apps.SchemeGroupVersion.WithKind("StatefulSet")

// defaultRevisionHistoryLimit is what the API server fills in for a
// StatefulSet that names no limit.
const defaultRevisionHistoryLimit = 10

// Set is what the rules need to know of a set, whatever its kind. The rules
// read this value and never an API type, so that one set of rules serves every
// kind that can be converted to it.
type Set struct {
	Kind        schema.GroupVersionKind
	Namespace   string
	Name        string
	UID         types.UID
	Generation  int64
	Annotations map[string]string
	// Deleting: the set has a deletion timestamp; its pods are left to garbage
	// collection.
	Deleting bool

	// The set has the first Replicas of its ordinals.
	Replicas int
	Ordinals Ordinals
	// Parallel: pods are created and deleted without waiting for others.
	// Otherwise the set is OrderedReady.
	Parallel bool
	// MinReadySeconds is how long a pod must be ready to count as available.
	MinReadySeconds int32
	Update          UpdateStrategy
	// ReplaceBroken: a pet that is not ready, on a revision that it should not
	// be on, is replaced without waiting for it.
	ReplaceBroken bool
	// Failover is what pods are made with.
	Failover Failover
	// VolumeLoss is what becomes of claims whose volumes were lost with their nodes.
	VolumeLoss VolumeLoss

	Template *corev1.PodTemplateSpec
	// Overrides change the template for some ordinals.
	Overrides []v1alpha1.Override
	// ServiceName is the subdomain of the pets.
	ServiceName string
	// Selector picks the pods and revisions that the set may adopt.
	Selector labels.Selector
	// MatchLabels of the selector are put on the claims.
	MatchLabels    map[string]string
	ClaimTemplates []corev1.PersistentVolumeClaim
	// ClaimsFollow: claim templates may change, and the claims that exist follow
	// them as far as they can.
	ClaimsFollow bool
	Retention    Retention
	// Drain is what a pet does before it is scaled away. Nil: nothing.
	Drain *v1alpha1.Drain

	// RevisionHistoryLimit below zero keeps all revisions.
	RevisionHistoryLimit int
	// Status as the API server has it.
	Status apps.StatefulSetStatus
}

// UpdateStrategy says how pets come to run the update revision.
type UpdateStrategy struct {
	// OnDelete: only when somebody else deletes their pods.
	OnDelete bool
	// Partition: pets whose index (among the ordinals) is below it stay on the
	// current revision. Nil when a rolling update was written without
	// parameters.
	Partition *int
	// MaxUnavailable is how many pets may be unavailable during an update, at
	// least 1. Nil when the set does not say; then pets are updated one by one
	// and a pet that is to be replaced anyway may be replaced although others
	// are unavailable.
	//
	// Upstream decides between these two behaviours by the feature gate
	// MaxUnavailableStatefulSet (KEP-961). The API server sets the field on
	// every rolling update when the gate is on and clears it when it is off, so
	// the field tells the same without a gate.
	MaxUnavailable *int
	// Ascending: the lowest ordinal is replaced first, else the highest.
	Ascending bool
	// LeaderLast picks the pods that lead: they are replaced after all others.
	// Nil when it makes no difference.
	LeaderLast labels.Selector
	// Paused: no pet is replaced because of its revision.
	Paused bool
	// InPlace: a pod is changed and not replaced where that is possible.
	InPlace bool
}

// Retention says which claims are deleted (KEP-1847). Zero: none.
type Retention struct {
	// DeleteWhenScaled: a claim goes when its pet is scaled away.
	DeleteWhenScaled bool
	// DeleteWhenDeleted: a claim goes with the set.
	DeleteWhenDeleted bool
}

// FromStatefulSet converts a StatefulSet. The result shares memory with it.
// An error means that the spec cannot be acted on until somebody changes it.
func FromStatefulSet(in *apps.StatefulSet) (Set, error) {
	set, err := fromStatefulSet(in)
	if err == nil {
		set.ReplaceBroken, err = replaceBroken(in.Annotations)
	}
	if err == nil {
		set.Failover, err = failoverOf(in.Annotations)
	}
	if err == nil {
		set.VolumeLoss, err = volumeLossOf(in.Annotations)
	}
	if err != nil {
		return Set{}, fmt.Errorf("StatefulSet %s/%s: %w", in.Namespace, in.Name, err)
	}
	return set, nil
}

// fromStatefulSet converts what both kinds have.
func fromStatefulSet(in *apps.StatefulSet) (Set, error) {
	selector, err := selectorOf(in.Spec.Selector)
	if err == nil {
		err = checkSelector(selector)
	}
	if err != nil {
		return Set{}, fmt.Errorf("spec.selector: %w", err)
	}
	set := Set{
		Kind:                 StatefulSetKind,
		Namespace:            in.Namespace,
		Name:                 in.Name,
		UID:                  in.UID,
		Generation:           in.Generation,
		Annotations:          in.Annotations,
		Deleting:             in.DeletionTimestamp != nil,
		Replicas:             1,
		Parallel:             in.Spec.PodManagementPolicy == apps.ParallelPodManagement,
		MinReadySeconds:      in.Spec.MinReadySeconds,
		Template:             &in.Spec.Template,
		ServiceName:          in.Spec.ServiceName,
		Selector:             selector,
		MatchLabels:          in.Spec.Selector.MatchLabels,
		ClaimTemplates:       in.Spec.VolumeClaimTemplates,
		RevisionHistoryLimit: defaultRevisionHistoryLimit,
		Status:               in.Status,
	}
	set.takeOptional(in.Spec)
	set.Update, err = updateStrategy(in.Spec.UpdateStrategy, set.Replicas)
	return set, err
}

// replaceBroken reads the annotation that gives a StatefulSet a PetSet's field
// recovery.brokenRevision.
func replaceBroken(annotations map[string]string) (bool, error) {
	switch policy := annotations[v1alpha1.RecoveryAnnotation]; policy {
	case string(v1alpha1.BrokenRevisionReplace):
		return true, nil
	case "", string(v1alpha1.BrokenRevisionWait):
		return false, nil
	default:
		return false, fmt.Errorf("the annotation %s is %q; write Replace or Wait", v1alpha1.RecoveryAnnotation, policy)
	}
}

// takeOptional takes what a spec may leave out.
func (s *Set) takeOptional(spec apps.StatefulSetSpec) {
	if spec.Replicas != nil {
		s.Replicas = int(*spec.Replicas)
	}
	if spec.Ordinals != nil {
		s.Ordinals.Start = int(spec.Ordinals.Start)
	}
	if spec.RevisionHistoryLimit != nil {
		s.RevisionHistoryLimit = int(*spec.RevisionHistoryLimit)
	}
	if policy := spec.PersistentVolumeClaimRetentionPolicy; policy != nil {
		// An unknown policy keeps the claim.
		s.Retention.DeleteWhenScaled = policy.WhenScaled == apps.DeletePersistentVolumeClaimRetentionPolicyType
		s.Retention.DeleteWhenDeleted = policy.WhenDeleted == apps.DeletePersistentVolumeClaimRetentionPolicyType
	}
}

// selectorOf refuses what would select nothing or, worse, everything.
func selectorOf(in *metav1.LabelSelector) (labels.Selector, error) {
	selector, err := metav1.LabelSelectorAsSelector(in)
	if err != nil {
		return nil, err
	}
	if in == nil || selector.Empty() {
		return nil, errors.New("it is empty, and would match every pod; name labels")
	}
	return selector, nil
}

func updateStrategy(in apps.StatefulSetUpdateStrategy, replicas int) (UpdateStrategy, error) {
	if in.Type == apps.OnDeleteStatefulSetStrategyType {
		return UpdateStrategy{OnDelete: true}, nil
	}
	out := UpdateStrategy{}
	if in.RollingUpdate == nil {
		return out, nil
	}
	partition := 0
	if in.RollingUpdate.Partition != nil {
		partition = int(*in.RollingUpdate.Partition)
	}
	out.Partition = &partition
	if in.RollingUpdate.MaxUnavailable != nil {
		limit, err := intstr.GetScaledValueFromIntOrPercent(in.RollingUpdate.MaxUnavailable, replicas, false)
		if err != nil {
			return out, fmt.Errorf("spec.updateStrategy.rollingUpdate.maxUnavailable must be a number or a percentage: %w", err)
		}
		// A small percentage of a small set rounds to nothing; an update must
		// be able to go on all the same.
		limit = max(limit, 1)
		out.MaxUnavailable = &limit
	}
	return out, nil
}

// owner is the set as the parent of the objects made for it.
func (s Set) owner() *metav1.ObjectMeta {
	return &metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name, UID: s.UID}
}
