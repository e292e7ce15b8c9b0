package petset

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
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

	// The set's ordinals are Start to Start+Replicas-1.
	Replicas int
	Start    int
	// Parallel: pods are created and deleted without waiting for others.
	// Otherwise the set is OrderedReady.
	Parallel bool
	// MinReadySeconds is how long a pod must be ready to count as available.
	MinReadySeconds int32
	Update          UpdateStrategy

	Template *corev1.PodTemplateSpec
	// ServiceName is the subdomain of the pets.
	ServiceName string
	// Selector picks the pods and revisions that the set may adopt.
	Selector labels.Selector
	// MatchLabels of the selector are put on the claims.
	MatchLabels    map[string]string
	ClaimTemplates []corev1.PersistentVolumeClaim
	Retention      Retention

	// RevisionHistoryLimit below zero keeps all revisions.
	RevisionHistoryLimit int
	// Status as the API server has it.
	Status apps.StatefulSetStatus
}

// UpdateStrategy says how pets come to run the update revision.
type UpdateStrategy struct {
	// OnDelete: only when somebody else deletes their pods.
	OnDelete bool
	// Partition: pets whose index (ordinal less Start) is below it stay on the
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
	selector, err := selectorOf(in)
	if err != nil {
		return Set{}, err
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
	update, err := updateStrategy(in.Spec.UpdateStrategy, set.Replicas)
	if err != nil {
		return Set{}, fmt.Errorf("StatefulSet %s/%s: %w", in.Namespace, in.Name, err)
	}
	set.Update = update
	return set, nil
}

// takeOptional takes what a spec may leave out.
func (s *Set) takeOptional(spec apps.StatefulSetSpec) {
	if spec.Replicas != nil {
		s.Replicas = int(*spec.Replicas)
	}
	if spec.Ordinals != nil {
		s.Start = int(spec.Ordinals.Start)
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
func selectorOf(in *apps.StatefulSet) (labels.Selector, error) {
	selector, err := metav1.LabelSelectorAsSelector(in.Spec.Selector)
	if err != nil {
		return nil, fmt.Errorf("StatefulSet %s/%s: spec.selector: %w", in.Namespace, in.Name, err)
	}
	if in.Spec.Selector == nil || selector.Empty() {
		return nil, fmt.Errorf("StatefulSet %s/%s: spec.selector is empty; it must match labels of spec.template", in.Namespace, in.Name)
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
