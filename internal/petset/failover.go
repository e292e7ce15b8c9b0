package petset

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// Failover says what becomes of a pet when its node is lost. It is written on the
// pod when that is made, and never after: node and judge go by what they read
// there, each at its own time. So a change is no revision either.
type Failover struct {
	// Fenced: the pet is started elsewhere when its node is fenced. Otherwise its
	// pod stays.
	Fenced bool
	// AfterSeconds is how long the node must have been fenced; none when zero.
	AfterSeconds int32
}

// takeFailover takes the field of a PetSet.
func takeFailover(spec *v1alpha1.Failover) Failover {
	if spec == nil {
		return Failover{Fenced: true}
	}
	return Failover{Fenced: spec.Policy != v1alpha1.FailoverManual, AfterSeconds: spec.AfterSeconds}
}

// failoverOf reads the annotations that give a StatefulSet the same.
func failoverOf(annotations map[string]string) (Failover, error) {
	out := Failover{Fenced: true}
	switch policy := annotations[v1alpha1.FailoverAnnotation]; policy {
	case "", v1alpha1.FailoverFenced:
	case v1alpha1.FailoverManual:
		out.Fenced = false
	default:
		return out, fmt.Errorf("the annotation %s is %q; write Fenced or Manual", v1alpha1.FailoverAnnotation, policy)
	}
	text, given := annotations[v1alpha1.FailoverAfterAnnotation]
	if !given {
		return out, nil
	}
	seconds, err := strconv.ParseInt(text, 10, 32)
	if err != nil || seconds < 0 {
		return out, fmt.Errorf("the annotation %s is %q; write a number of seconds, from 0 on", v1alpha1.FailoverAfterAnnotation, text)
	}
	out.AfterSeconds = int32(seconds)
	return out, nil
}

// mark writes on a new pod what its set says, whatever its template has there.
func (f Failover) mark(pod *corev1.Pod) {
	delete(pod.Labels, v1alpha1.FailoverLabel)
	delete(pod.Annotations, v1alpha1.FailoverAfterAnnotation)
	if !f.Fenced || f.AfterSeconds > 0 {
		staysOnLostNode(pod)
	}
	if !f.Fenced {
		return
	}
	pod.Labels[v1alpha1.FailoverLabel] = v1alpha1.FailoverFenced
	if f.AfterSeconds > 0 {
		pod.Annotations[v1alpha1.FailoverAfterAnnotation] = strconv.Itoa(int(f.AfterSeconds))
	}
}

// staysOnLostNode keeps Kubernetes from evicting the pod after some minutes: it would be
// deleted then as soon as its node is back, and it is to stay. A template that says how long the pod stays is left as it is.
func staysOnLostNode(pod *corev1.Pod) {
	for _, t := range pod.Spec.Tolerations {
		if t.Key == corev1.TaintNodeUnreachable {
			return
		}
	}
	pod.Spec.Tolerations = append(pod.Spec.Tolerations,
		corev1.Toleration{Key: corev1.TaintNodeUnreachable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute})
}

// failedOver: the pet has no pod, since it was taken from a node that is fenced.
func (r *round) failedOver(p pet) bool {
	return p.pod == nil && r.FailedOver[r.Set.PodName(p.ordinal)] != ""
}

// checkSelector refuses a selector that asks for the label: pods have it or not by
// their set's failover, and would be lost to the set when that changes.
func checkSelector(selector labels.Selector) error {
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if r.Key() == v1alpha1.FailoverLabel {
			return fmt.Errorf("the label %s says what becomes of a pod when its node is lost, and cannot select pods; name others", v1alpha1.FailoverLabel)
		}
	}
	return nil
}
