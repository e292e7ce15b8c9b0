package petset

import (
	"fmt"
	"path"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// defaultLossAfter is how long a node must have been lost where a set does not say.
const defaultLossAfter = 10 * time.Minute

// VolumeLoss says what becomes of a pet whose volume was lost with its node.
type VolumeLoss struct {
	// Recreate: the pet gets a new claim. Otherwise it waits.
	Recreate bool
	// Restore: the new claim has what a snapshot of the old one has. Without a snapshot
	// the pet waits.
	Restore bool
	// After is how long the node must have been lost.
	After time.Duration
}

// takeVolumeLoss takes the field of a PetSet.
func takeVolumeLoss(spec *v1alpha1.VolumeLoss) VolumeLoss {
	out := VolumeLoss{After: defaultLossAfter}
	if spec == nil {
		return out
	}
	out.follow(spec.Policy)
	if spec.After != nil {
		out.After = spec.After.Duration
	}
	return out
}

// follow takes a policy, and tells whether there is such a one.
func (v *VolumeLoss) follow(policy v1alpha1.VolumeLossPolicy) bool {
	v.Restore = policy == v1alpha1.VolumeLossRestoreSnapshot
	v.Recreate = v.Restore || policy == v1alpha1.VolumeLossRecreate
	return v.Recreate || policy == v1alpha1.VolumeLossWait || policy == ""
}

// volumeLossOf reads the annotations that give a StatefulSet the same.
func volumeLossOf(annotations map[string]string) (VolumeLoss, error) {
	out := VolumeLoss{After: defaultLossAfter}
	if policy := annotations[v1alpha1.VolumeLossAnnotation]; !out.follow(v1alpha1.VolumeLossPolicy(policy)) {
		return out, fmt.Errorf("the annotation %s is %q; write Wait, Recreate or RestoreSnapshot", v1alpha1.VolumeLossAnnotation, policy)
	}
	text, given := annotations[v1alpha1.VolumeLossAfterAnnotation]
	if !given {
		return out, nil
	}
	after, err := time.ParseDuration(text)
	if err != nil || after < 0 {
		return out, fmt.Errorf("the annotation %s is %q; write a time, such as 10m", v1alpha1.VolumeLossAfterAnnotation, text)
	}
	out.After = after
	return out, nil
}

// lossOf says what became of the node whose own the volume is, if that is lost:
// "node n1 is fenced". Empty where some node may have the volume, or where it is no
// single node's own: then it may be back with any other.
func lossOf(volume *corev1.PersistentVolume, nodes []*corev1.Node) string {
	home := homeOf(volume)
	if home == "" {
		return ""
	}
	selector, err := nodeaffinity.NewNodeSelector(volume.Spec.NodeAffinity.Required)
	if err != nil {
		return ""
	}
	why := "node " + home + " is gone"
	for _, node := range nodes {
		switch {
		case !selector.Match(node):
		case !Fenced(node):
			return ""
		default:
			why = "node " + node.Name + " is fenced"
		}
	}
	return why
}

// homeOf names the one node that has the volume, as its driver calls it. Drivers have
// labels of their own for that: what they are in common is that they speak of a
// node or a host, and not of a zone.
func homeOf(volume *corev1.PersistentVolume) string {
	if volume == nil || volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil ||
		len(volume.Spec.NodeAffinity.Required.NodeSelectorTerms) != 1 {
		return ""
	}
	for _, e := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions {
		label := path.Base(e.Key)
		if e.Operator == corev1.NodeSelectorOpIn && len(e.Values) == 1 && (strings.Contains(label, "node") || strings.Contains(label, "host")) {
			return e.Values[0]
		}
	}
	return ""
}
