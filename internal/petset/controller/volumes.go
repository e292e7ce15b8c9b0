package controller

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/petset"
)

// addVolumeIndexer adds the index lostVolumes. Two kinds of sets share the informer.
func addVolumeIndexer(volumes toolscache.SharedIndexInformer) error {
	if _, has := volumes.GetIndexer().GetIndexers()[lostVolumes]; has {
		return nil
	}
	return volumes.AddIndexers(toolscache.Indexers{lostVolumes: func(obj any) ([]string, error) {
		volume, ok := obj.(*corev1.PersistentVolume)
		if !ok || volume.Spec.ClaimRef == nil || volume.Annotations[v1alpha1.LostAnnotation] == "" {
			return nil, nil
		}
		return []string{volume.Spec.ClaimRef.Namespace + "/" + volume.Spec.ClaimRef.Name}, nil
	}})
}

// observeVolumes adds the volumes of these claims that a decision may need to know, which
// are none for most sets, and all nodes if there are any; and snapshots, if a claim is lost
// that is to be restored.
func (r *reconciler) observeVolumes(ctx context.Context, o *petset.Observation, claims []string) error {
	o.Volumes = map[string]*corev1.PersistentVolume{}
	restore := false
	for _, name := range claims {
		for _, volume := range r.volumesOf(o.Set, name, o.Claims[name]) {
			o.Volumes[volume.Name] = volume
		}
		claim := o.Claims[name]
		restore = restore || o.Set.VolumeLoss.Restore && claim != nil && claim.Annotations[v1alpha1.LostSinceAnnotation] != ""
	}
	if len(o.Volumes) > 0 {
		for _, obj := range r.caches.nodes.GetStore().List() {
			o.Nodes = append(o.Nodes, obj.(*corev1.Node))
		}
	}
	if !restore {
		return nil
	}
	// This is rare: not worth a cache.
	snapshots, err := r.snapshots.SnapshotV1().VolumeSnapshots(o.Set.Namespace).List(ctx, metav1.ListOptions{})
	if apierrors.IsNotFound(err) { // nor is their kind there
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for snapshots of lost volumes: %w", err)
	}
	o.Snapshots = snapshots.Items
	return nil
}

// volumesOf are those that a decision about a claim, which may be missing, may need to know.
func (r *reconciler) volumesOf(set petset.Set, name string, claim *corev1.PersistentVolumeClaim) (volumes []*corev1.PersistentVolume) {
	if claim == nil {
		lost, _ := r.caches.volumes.GetIndexer().ByIndex(lostVolumes, set.Namespace+"/"+name) // there is such an index
		for _, obj := range lost {
			volumes = append(volumes, obj.(*corev1.PersistentVolume))
		}
		return volumes
	}
	names := []string{claim.Annotations[v1alpha1.ReplacesAnnotation]}
	if set.VolumeLoss.Recreate || claim.Annotations[v1alpha1.LostSinceAnnotation] != "" {
		names = append(names, claim.Spec.VolumeName)
	}
	for _, name := range names {
		if name == "" { // as it is for nearly all
			continue
		}
		if volume := r.caches.volume(name); volume != nil {
			volumes = append(volumes, volume)
		}
	}
	return volumes
}
