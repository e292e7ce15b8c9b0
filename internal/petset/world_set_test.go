package petset

import (
	"fmt"
	"slices"
	"time"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The sets that users write: any mix of what they can ask for.

func (w *world) newSet() *v1alpha1.PetSet {
	set := &v1alpha1.PetSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "set", Generation: 1, ResourceVersion: w.unique()}}
	set.Spec.Replicas = ptr.To(w.upTo(5))
	set.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	set.Spec.Template.Labels = map[string]string{"app": "web"}
	set.Spec.Template.Spec.Containers = []corev1.Container{{Name: "main", Image: "web:1"}}
	if w.chance(2) {
		w.chooseResources(set)
	}
	set.Spec.RevisionHistoryLimit = ptr.To(w.upTo(2))
	set.Spec.PodManagementPolicy = oneOf(w, apps.ParallelPodManagement, apps.OrderedReadyPodManagement)
	if w.local || w.chance(2) {
		set.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claimTemplate("data", "1Gi")}
	}
	if w.chance(3) {
		set.Spec.MinReadySeconds = 3
	}
	w.chooseStrategy(set)
	w.choosePolicy(set)
	switch {
	case w.stateful && w.chance(2):
		set.Annotations = map[string]string{v1alpha1.RecoveryAnnotation: "Replace", v1alpha1.FailoverAnnotation: oneOf(w, "Fenced", "Manual"),
			v1alpha1.VolumeLossAnnotation: oneOf(w, "Recreate", "Wait"), v1alpha1.VolumeLossAfterAnnotation: "20s"}
	case !w.stateful:
		w.chooseFeatures(set)
	}
	w.say("user: a set that is stateful %v, %s, %d s, %s", w.stateful, set.Spec.PodManagementPolicy, set.Spec.MinReadySeconds, describe(set))
	return set
}

// chooseFeatures fills in what only a PetSet has.
func (w *world) chooseFeatures(set *v1alpha1.PetSet) {
	if w.chance(3) {
		set.Spec.Recovery = &v1alpha1.Recovery{BrokenRevision: oneOf(w, v1alpha1.BrokenRevisionReplace, v1alpha1.BrokenRevisionWait)}
	}
	if w.chance(2) {
		w.chooseDrain(set)
	}
	w.chooseFailover(set)
	w.chooseVolumeLoss(set)
	if w.chance(4) {
		set.Spec.DependsOn = []v1alpha1.Dependency{{APIVersion: "v1", Kind: "Service", Name: "other"}}
		w.dependencyReady = false
	}
	w.nameTaken = w.chance(10)
}

func claimTemplate(name, size string) corev1.PersistentVolumeClaim {
	claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
	claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	return claim
}

func (w *world) chooseStrategy(set *v1alpha1.PetSet) {
	if w.chance(6) {
		set.Spec.UpdateStrategy = v1alpha1.UpdateStrategy{Type: apps.OnDeleteStatefulSetStrategyType}
		return
	}
	rolling := &v1alpha1.RollingUpdate{Partition: ptr.To(int32(0))}
	if w.chance(3) {
		rolling.Partition = ptr.To(w.upTo(4))
	}
	if w.chance(3) {
		rolling.MaxUnavailable = ptr.To(oneOf(w, intstr.FromInt(1), intstr.FromInt(2), intstr.FromInt(3), intstr.FromString("50%")))
	}
	if !w.stateful {
		rolling.Order = oneOf(w, "", v1alpha1.Descending, v1alpha1.Ascending, v1alpha1.LeaderLast)
		if rolling.Order == v1alpha1.LeaderLast {
			rolling.LeaderSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"role": "leader"}}
		}
		rolling.InPlace = oneOf(w, v1alpha1.InPlaceNever, v1alpha1.InPlaceIfPossible)
		rolling.Paused = w.chance(5)
	}
	set.Spec.UpdateStrategy = v1alpha1.UpdateStrategy{Type: apps.RollingUpdateStatefulSetStrategyType, RollingUpdate: rolling}
}

func (w *world) choosePolicy(set *v1alpha1.PetSet) {
	policies := []apps.PersistentVolumeClaimRetentionPolicyType{
		apps.RetainPersistentVolumeClaimRetentionPolicyType, apps.DeletePersistentVolumeClaimRetentionPolicyType}
	set.Spec.PersistentVolumeClaimRetentionPolicy = &apps.StatefulSetPersistentVolumeClaimRetentionPolicy{
		WhenScaled: oneOf(w, policies...), WhenDeleted: oneOf(w, policies...)}
}

func (w *world) chooseDrain(set *v1alpha1.PetSet) {
	set.Spec.Drain = &v1alpha1.Drain{Exec: &corev1.ExecAction{Command: []string{"leave"}}, TimeoutSeconds: 10,
		OnTimeout: oneOf(w, v1alpha1.DrainHold, v1alpha1.DrainProceed)}
	if w.chance(4) {
		set.Spec.Drain = nil
	}
}

func (w *world) chooseFailover(set *v1alpha1.PetSet) {
	set.Spec.Failover = oneOf(w, nil, &v1alpha1.Failover{}, &v1alpha1.Failover{Policy: v1alpha1.FailoverFenced, AfterSeconds: 10}, &v1alpha1.Failover{Policy: v1alpha1.FailoverManual})
}

func (w *world) chooseVolumeLoss(set *v1alpha1.PetSet) {
	set.Spec.VolumeLoss = oneOf(w, nil, &v1alpha1.VolumeLoss{Policy: v1alpha1.VolumeLossRecreate},
		&v1alpha1.VolumeLoss{Policy: v1alpha1.VolumeLossRecreate, After: &metav1.Duration{}}, &v1alpha1.VolumeLoss{Policy: v1alpha1.VolumeLossRecreate, After: &metav1.Duration{Duration: 20 * time.Second}})
}

// chooseResources: of six CPUs, only some nodes have as many. A pet that cannot leave
// its node does not want so many.
func (w *world) chooseResources(set *v1alpha1.PetSet) {
	list := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(oneOf(w, "1", "2", map[bool]string{false: "6", true: "3"}[w.local]))}
	set.Spec.Template.Spec.Containers[0].Resources = oneOf(w,
		corev1.ResourceRequirements{Requests: list}, corev1.ResourceRequirements{Limits: list},
		corev1.ResourceRequirements{Requests: list, Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}})
}

// brokenVersion of the template makes pods that never become ready. Only a set
// that replaces them gets it: another one would wait for a human.
const brokenVersion = "broken"

func (w *world) chooseVersion(set *v1alpha1.PetSet) {
	set.Spec.Template.Annotations = map[string]string{"version": fmt.Sprint(w.upTo(3))}
	if converted, err := w.convert(set); err == nil && converted.ReplaceBroken && w.chance(3) {
		set.Spec.Template.Annotations["version"] = brokenVersion
		w.everBroken = true
	}
}

func (w *world) chooseOverrides(set *v1alpha1.PetSet) {
	set.Spec.Overrides = nil
	for range w.upTo(2) {
		set.Spec.Overrides = append(set.Spec.Overrides, v1alpha1.Override{
			Ordinals: oneOf(w, "0", "1,3", "2-4"),
			Template: runtime.RawExtension{Raw: []byte(oneOf(w, `{"metadata":{"annotations":{"seed":"yes"}}}`,
				`{"spec":{"containers":[{"name":"main","image":"web:seed"}]}}`))}})
	}
}

func (w *world) chooseClaimTemplates(set *v1alpha1.PetSet) {
	templates := set.Spec.VolumeClaimTemplates
	byName := func(name string) int {
		return slices.IndexFunc(templates, func(c corev1.PersistentVolumeClaim) bool { return c.Name == name })
	}
	switch i := byName("data"); {
	case w.chance(3) && byName("log") < 0:
		templates = append(templates, claimTemplate("log", "1Gi"))
	case w.chance(3) && len(templates) > 0:
		gone := w.rand.IntN(len(templates))
		templates = slices.Delete(templates, gone, gone+1)
	case i >= 0 && w.chance(2):
		templates[i].Spec.VolumeAttributesClassName = ptr.To(oneOf(w, "fast", "slow"))
	case i >= 0:
		size := templates[i].Spec.Resources.Requests[corev1.ResourceStorage]
		size.Add(resource.MustParse("1Gi"))
		templates[i].Spec.Resources.Requests[corev1.ResourceStorage] = size
	default:
		templates = append(templates, claimTemplate("data", "1Gi"))
	}
	set.Spec.VolumeClaimTemplates = templates
}

// describe tells of a set what changes.
func describe(set *v1alpha1.PetSet) string {
	out := fmt.Sprintf("%d replicas, version %q, %s", *set.Spec.Replicas, set.Spec.Template.Annotations["version"], set.Spec.Template.Spec.Containers[0].Image)
	if list := set.Spec.Template.Spec.Containers[0].Resources; list.Requests != nil || list.Limits != nil {
		out += fmt.Sprintf(", %s/%s CPUs", list.Requests.Cpu(), list.Limits.Cpu())
	}
	if ordinals := set.Spec.Ordinals; ordinals != nil {
		out += fmt.Sprintf(", from %d without %v", ordinals.Start, ordinals.Reserved)
	}
	for _, o := range set.Spec.Overrides {
		out += fmt.Sprintf(", %s: %s", o.Ordinals, o.Template.Raw)
	}
	for i := range set.Spec.VolumeClaimTemplates {
		template := &set.Spec.VolumeClaimTemplates[i]
		out += fmt.Sprintf(", %s of %s %s", template.Name, template.Spec.Resources.Requests.Storage(), ptr.Deref(template.Spec.VolumeAttributesClassName, ""))
	}
	if failover := set.Spec.Failover; failover != nil {
		out += fmt.Sprintf(", failover %s after %d s", failover.Policy, failover.AfterSeconds)
	}
	if loss := set.Spec.VolumeLoss; loss != nil {
		out += fmt.Sprintf(", volume loss %s after %v", loss.Policy, loss.After)
	}
	if drain := set.Spec.Drain; drain != nil {
		out += fmt.Sprintf(", drains or %s", drain.OnTimeout)
	}
	out += fmt.Sprintf(", scaled %s, deleted %s", set.Spec.PersistentVolumeClaimRetentionPolicy.WhenScaled, set.Spec.PersistentVolumeClaimRetentionPolicy.WhenDeleted)
	rolling := set.Spec.UpdateStrategy.RollingUpdate
	if rolling == nil {
		return out + ", " + string(set.Spec.UpdateStrategy.Type)
	}
	return out + fmt.Sprintf(", partition %d, %s unavailable, %s, in place %s, paused %v",
		*rolling.Partition, rolling.MaxUnavailable.String(), rolling.Order, rolling.InPlace, rolling.Paused)
}

// convert is what the controller makes of the object.
func (w *world) convert(object *v1alpha1.PetSet) (Set, error) {
	if !w.stateful {
		return FromPetSet(object)
	}
	set := asStatefulSet(object)
	if object.Spec.Ordinals != nil {
		set.Spec.Ordinals = &apps.StatefulSetOrdinals{Start: object.Spec.Ordinals.Start}
	}
	return FromStatefulSet(set)
}
