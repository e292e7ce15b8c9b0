package petset

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/randfill"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// FuzzPlan makes two PetSets of any bytes, and turns the one into the other: no
// plan may panic, every set must settle, and the plan for a settled set is empty.
func FuzzPlan(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(someBytes(seed), someBytes(seed+1000))
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if err := settleBoth(first, second); err != nil {
			t.Fatal(err)
		}
	})
}

// someBytes are enough for a set.
func someBytes(seed uint64) []byte {
	source, out := rand.New(rand.NewPCG(seed, 0)), make([]byte, 2000)
	for i := range out {
		out[i] = byte(source.Uint32())
	}
	return out
}

func settleBoth(first, second []byte) error {
	s := settler{pods: map[string]*corev1.Pod{}, claims: map[string]*corev1.PersistentVolumeClaim{}, revisions: map[string]Revision{}}
	for i, data := range [][]byte{first, second} {
		object := anyPetSet(data)
		object.Generation = int64(i + 1)
		set, err := FromPetSet(object)
		if err != nil {
			continue // refused, with a reason
		}
		if err := s.settle(set); err != nil {
			return fmt.Errorf("set %d: %w", i, err)
		}
		for _, c := range StatusOfPetSet(object, s.plan).Conditions {
			if (c.Status == metav1.ConditionTrue) != (c.Type == v1alpha1.ConditionAvailable) {
				return fmt.Errorf("set %d has settled, and is %s %s: %s", i, c.Type, c.Status, c.Message)
			}
		}
	}
	return nil
}

// anyPetSet is one that the API server might let through: what the schema
// refuses is put right.
func anyPetSet(data []byte) *v1alpha1.PetSet {
	set := &v1alpha1.PetSet{}
	small := func(n *int32) { *n = int32(uint32(*n) % 6) }
	fill := randfill.NewFromGoFuzz(data).NilChance(.4).NumElements(0, 2).MaxDepth(14).Funcs(
		func(q *resource.Quantity, c randfill.Continue) {
			*q = *resource.NewQuantity(int64(c.Intn(4)), resource.DecimalSI)
		},
		func(n *intstr.IntOrString, c randfill.Continue) {
			*n = intstr.FromString(fmt.Sprint(c.Intn(150)) + "%")
		},
		func(at *metav1.Time, c randfill.Continue) { *at = metav1.Unix(int64(c.Intn(100)), 0) },
		oneOfThese(apps.OrderedReadyPodManagement, apps.ParallelPodManagement),
		oneOfThese(apps.RollingUpdateStatefulSetStrategyType, apps.OnDeleteStatefulSetStrategyType),
		oneOfThese(apps.RetainPersistentVolumeClaimRetentionPolicyType, apps.DeletePersistentVolumeClaimRetentionPolicyType),
		oneOfThese(v1alpha1.Descending, v1alpha1.Ascending, v1alpha1.LeaderLast),
		oneOfThese(v1alpha1.InPlaceIfPossible, v1alpha1.InPlaceNever),
		oneOfThese(v1alpha1.BrokenRevisionReplace, v1alpha1.BrokenRevisionWait),
		oneOfThese(v1alpha1.DrainHold, v1alpha1.DrainProceed),
		oneOfThese[v1alpha1.FailoverPolicy](v1alpha1.FailoverFenced, v1alpha1.FailoverManual),
		func(s *metav1.LabelSelector, _ randfill.Continue) { s.MatchLabels = map[string]string{"role": "seed"} },
		func(*metav1.FieldsV1, randfill.Continue) {}, // the API server's own
		func(raw *runtime.RawExtension, c randfill.Continue) {
			raw.Raw = []byte([]string{`{}`, `{"spec":{"hostname":"x"}}`, `{"metadata":{"labels":{"role":"seed"}}}`, `{"metadata":{"annotations":{"seed":"yes"}}}`, `{"metadata":{"labels":null}}`, `[`}[c.Intn(12)%6])
		},
		func(o *v1alpha1.Override, c randfill.Continue) {
			o.Ordinals = fmt.Sprintf("%d,%d-%d", c.Intn(4), c.Intn(4), c.Intn(6))
			c.Fill(&o.Template)
		},
		func(o *v1alpha1.Ordinals, c randfill.Continue) {
			o.Start, o.Reserved = int32(c.Intn(4)), []string{fmt.Sprint(c.Intn(9)), fmt.Sprintf("%d-%d", c.Intn(5), c.Intn(9))}
		},
		func(claim *corev1.PersistentVolumeClaim, c randfill.Continue) {
			*claim = claimTemplate([]string{"data", "log", "etc"}[c.Intn(3)], fmt.Sprintf("%dGi", 1+c.Intn(3)))
			c.Fill(&claim.Spec.VolumeAttributesClassName)
			c.Fill(&claim.Labels)
		},
	)
	fill.Fill(&set.Spec)
	set.Namespace, set.Name, set.UID = "ns", "web", "set"
	if set.Spec.Replicas != nil {
		small(set.Spec.Replicas)
	}
	set.Spec.MinReadySeconds %= 100
	slices.SortFunc(set.Spec.VolumeClaimTemplates, func(a, b corev1.PersistentVolumeClaim) int { return strings.Compare(a.Name, b.Name) })
	set.Spec.VolumeClaimTemplates = slices.CompactFunc(set.Spec.VolumeClaimTemplates, func(a, b corev1.PersistentVolumeClaim) bool { return a.Name == b.Name })
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	if set.Spec.Template.Labels == nil {
		set.Spec.Template.Labels = map[string]string{}
	}
	set.Spec.Template.Labels["app"] = "web"
	if rolling := set.Spec.UpdateStrategy.RollingUpdate; rolling != nil {
		rolling.Paused = false // it would not settle
		if rolling.Partition != nil {
			small(rolling.Partition)
		}
	}
	return set
}

// oneOfThese fills in an enumeration.
func oneOfThese[T ~string](choices ...T) func(*T, randfill.Continue) {
	return func(s *T, c randfill.Continue) { *s = choices[c.Intn(len(choices))] }
}
