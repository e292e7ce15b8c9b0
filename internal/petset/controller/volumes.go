package controller

import (
	corev1 "k8s.io/api/core/v1"
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
// are none for most sets, and all nodes if there are any.
func (r *reconciler) observeVolumes(o *petset.Observation, claims []string) {
	o.Volumes = map[string]*corev1.PersistentVolume{}
	for _, name := range claims {
		claim := o.Claims[name]
		switch {
		case claim == nil:
			lost, err := r.caches.volumes.GetIndexer().ByIndex(lostVolumes, o.Set.Namespace+"/"+name)
			if err != nil {
				continue // there is such an index
			}
			for _, obj := range lost {
				volume := obj.(*corev1.PersistentVolume)
				o.Volumes[volume.Name] = volume
			}
		case claim.Spec.VolumeName != "" && (o.Set.VolumeLoss.Recreate || claim.Annotations[v1alpha1.LostSinceAnnotation] != ""):
			if volume := r.caches.volume(claim.Spec.VolumeName); volume != nil {
				o.Volumes[volume.Name] = volume
			}
		}
	}
	if len(o.Volumes) == 0 {
		return
	}
	for _, obj := range r.caches.nodes.GetStore().List() {
		o.Nodes = append(o.Nodes, obj.(*corev1.Node))
	}
}
