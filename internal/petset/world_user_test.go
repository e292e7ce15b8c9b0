package petset

import (
	"fmt"
	"maps"
	"slices"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// The user changes their mind, and deletes what they should not.

// userActs lets the user change their mind, or delete something.
func (w *world) userActs() {
	switch pods, claims := w.names(), slices.Sorted(maps.Keys(w.claims.truth())); {
	case len(pods) > 0 && w.trouble(3):
		w.deletePod(oneOf(w, pods...))
	case len(claims) > 0 && w.trouble(4):
		w.deleteClaim(oneOf(w, claims...))
		if !w.stateful && w.chance(2) { // they are done with that volume
			w.changeSpec(func(set *v1alpha1.PetSet) { set.Spec.VolumeClaimTemplates = nil })
		}
	case w.trouble(8):
		w.strangerComes()
	case w.trouble(60):
		w.say("user: deletes the set")
		w.changeSet(func(set *v1alpha1.PetSet) {
			set.Generation, set.DeletionTimestamp = set.Generation+1, &metav1.Time{Time: w.now}
		})
	default:
		w.changeSpec(w.userChanges)
	}
}

func (w *world) userChanges(set *v1alpha1.PetSet) {
	kinds := 7
	if !w.stateful {
		kinds = 15
	}
	switch w.rand.IntN(kinds) {
	case 0:
		set.Spec.Replicas = ptr.To(w.upTo(5))
	case 1:
		w.chooseVersion(set)
	case 2:
		w.chooseStrategy(set)
	case 3:
		w.choosePolicy(set)
	case 4:
		set.Spec.Ordinals = &v1alpha1.Ordinals{Start: w.upTo(2)}
	case 5:
		set.Spec.Template.Spec.Containers[0].Image = fmt.Sprint("web:", w.upTo(3))
	case 6:
		set.Spec.MinReadySeconds = oneOf(w, int32(0), 3)
	case 7:
		set.Spec.Ordinals = &v1alpha1.Ordinals{Start: w.upTo(1), Reserved: oneOf(w, nil, []string{"1"}, []string{"0", "2-3"})}
	case 8:
		w.chooseOverrides(set)
	case 9:
		w.chooseClaimTemplates(set)
	case 10:
		w.chooseDrain(set)
	case 11:
		w.chooseResources(set)
	case 12:
		w.chooseFailover(set)
	case 13:
		w.chooseVolumeLoss(set)
	case 14:
		set.Spec.Template.Spec.Containers[0].Image = fmt.Sprint("web:", w.upTo(3))
	}
}

// strangerComes: a pod that is not the set's takes a pet's name, or bears one
// that is much like a pet's. Or one from another time, without volumes, is adopted.
func (w *world) strangerComes() {
	ordinal := int(w.upTo(4))
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: fmt.Sprint(oneOf(w, "web-", "web-0", "web-x-"), ordinal), Generation: 1}}
	set, err := w.convert(w.sets.truth())
	adopted := err == nil && w.chance(3)
	if adopted {
		former := Revision{Name: "web-former", Template: set.Template}
		if known := w.revisions.truth(); len(known) > 0 && w.chance(2) {
			former, _ = DecodeRevision(oneOf(w, known...)) // the world's own can be read
		}
		pod = set.NewPod(ordinal, former)
		pod.Spec.Volumes = nil
	}
	if w.pods.truth()[pod.Name] == nil {
		w.say("%s of a stranger comes, adopted: %v", pod.Name, adopted)
		w.putNewPod(pod)
		w.witness.adopted[pod.UID] = adopted
	}
}

// userMends puts right what no controller can.
func (w *world) userMends() {
	for _, name := range w.names() {
		switch pod := w.pods.truth()[name]; {
		case !w.ours(pod):
			w.removePod(name)
		case slices.ContainsFunc(claimsOf(pod), w.goes):
			w.deletePod(name) // whoever deletes a claim has to take the pod off it
		}
	}
	w.changeSpec(func(set *v1alpha1.PetSet) {
		if rolling := set.Spec.UpdateStrategy.RollingUpdate; rolling != nil {
			rolling.Paused = false
		}
		if set.Spec.Template.Annotations["version"] == brokenVersion {
			set.Spec.Template.Annotations["version"] = "mended"
		}
		if w.everBroken {
			// What is broken may be below a partition, or left to OnDelete.
			set.Spec.UpdateStrategy.Type = apps.RollingUpdateStatefulSetStrategyType
			if set.Spec.UpdateStrategy.RollingUpdate == nil {
				set.Spec.UpdateStrategy.RollingUpdate = &v1alpha1.RollingUpdate{}
			}
			set.Spec.UpdateStrategy.RollingUpdate.Partition = ptr.To(int32(0))
		}
	})
}

// changeSpec is a write of the user's.
func (w *world) changeSpec(change func(*v1alpha1.PetSet)) {
	w.changeSet(func(set *v1alpha1.PetSet) {
		set.Generation++
		change(set)
		w.say("user: %s", describe(set))
	})
}

func (w *world) changeSet(change func(*v1alpha1.PetSet)) {
	set := w.sets.truth().DeepCopy()
	set.ResourceVersion = w.unique()
	change(set)
	w.sets.push(set)
}
