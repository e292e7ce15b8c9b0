package scheduling

import (
	"fmt"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/component-helpers/storage/ephemeral"
	"k8s.io/utils/ptr"
)

// asksOf gives what the pod's waiting claims ask of pools, each once. With an error there
// is one, of the claim that is at fault.
func (p *plugin) asksOf(pod *core.Pod) ([]ask, error) {
	var asks []ask
	seen := map[string]bool{}
	for i := range pod.Spec.Volumes {
		name := claimName(pod, &pod.Spec.Volumes[i])
		if name == "" || seen[name] {
			continue
		}
		seen[name] = true
		a, err := p.askOfClaim(pod.Namespace, name)
		if err != nil {
			return []ask{a}, err
		}
		if a.pool != "" {
			asks = append(asks, a)
		}
	}
	return asks, nil
}

func claimName(pod *core.Pod, volume *core.Volume) string {
	switch {
	case volume.PersistentVolumeClaim != nil:
		return volume.PersistentVolumeClaim.ClaimName
	case volume.Ephemeral != nil:
		return ephemeral.VolumeClaimName(pod, volume)
	}
	return ""
}

// askOfClaim gives nothing for a claim that is not ours to place. What lacks
// besides a VolumeAttributesClass, VolumeBinding tells.
func (p *plugin) askOfClaim(namespace, name string) (ask, error) {
	claim, err := p.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return ask{}, ignoreNotFound(err)
	}
	class, err := p.classes.Get(ptr.Deref(claim.Spec.StorageClassName, ""))
	if err != nil || !waits(claim, class) {
		return ask{}, ignoreNotFound(err)
	}
	wanted := ptr.Deref(claim.Spec.VolumeAttributesClassName, "")
	if wanted == "" {
		return askOf(claim, class, nil)
	}
	attributes, err := p.attributes.Get(wanted)
	if apierrors.IsNotFound(err) {
		return ask{claim: referenceTo(claim)}, fmt.Errorf("there is no VolumeAttributesClass %s, which claim %s asks for", wanted, name)
	}
	if err != nil {
		return ask{}, err
	}
	return askOf(claim, class, attributes)
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
