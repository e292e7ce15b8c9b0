package controller

import (
	"context"

	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubecontroller "k8s.io/kubernetes/pkg/controller"

	"github.com/mainstay-io/mainstay/internal/petset"
)

// claimPods returns the set's pods. Orphans that match it are adopted, pods
// that do not match it any more are released.
func (r *reconciler) claimPods(ctx context.Context, set *apps.StatefulSet, value petset.Set) ([]*corev1.Pod, error) {
	candidates, err := r.caches.podsAndOrphans(set)
	if err != nil {
		return nil, err
	}
	control := kubecontroller.RealPodControl{
		KubeClient: r.client,
		Recorder:   r.events,
		OnWrite:    func(pod *corev1.Pod, _ *metav1.OwnerReference) { r.writes.wrote(set, podResource, pod) },
	}
	manager := kubecontroller.NewPodControllerRefManager(control, set, value.Selector, petset.StatefulSetKind, canAdopt(r.client, set))
	return manager.ClaimPods(ctx, candidates, value.IsMember)
}

// observeClaims returns the claims of the set's pets, present and past.
func (r *reconciler) observeClaims(set petset.Set, pods []*corev1.Pod) map[string]*corev1.PersistentVolumeClaim {
	if len(set.ClaimTemplates) == 0 {
		return nil
	}
	claims := make(map[string]*corev1.PersistentVolumeClaim, len(set.ClaimTemplates)*max(set.Replicas, len(pods)))
	observe := func(ordinal int) {
		for i := range set.ClaimTemplates {
			name := set.ClaimName(set.ClaimTemplates[i].Name, ordinal)
			if claim := r.caches.claim(set.Namespace, name); claim != nil {
				claims[name] = claim
			}
		}
	}
	for ordinal := set.Start; ordinal < set.Start+set.Replicas; ordinal++ {
		observe(ordinal)
	}
	for _, pod := range pods {
		if _, ordinal, ok := petset.SplitOrdinal(pod.Name); ok && !set.Contains(ordinal) {
			observe(ordinal)
		}
	}
	return claims
}
