package petset

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// TestVolumeLossOfStatefulSet: what its annotations say.
func TestVolumeLossOfStatefulSet(t *testing.T) {
	for _, c := range []struct {
		policy, after string
		want          VolumeLoss
		fails         string
	}{
		{"", "", VolumeLoss{After: 10 * time.Minute}, ""},
		{"Wait", "1h", VolumeLoss{After: time.Hour}, ""},
		{"Recreate", "", VolumeLoss{Recreate: true, After: 10 * time.Minute}, ""},
		{"Recreate", "0s", VolumeLoss{Recreate: true}, ""},
		{"RestoreSnapshot", "1m", VolumeLoss{Recreate: true, Restore: true, After: time.Minute}, ""},
		{"Delete", "", VolumeLoss{}, `mainstay.dev/volume-loss is "Delete"; write Wait, Recreate or RestoreSnapshot`},
		{"Recreate", "-1m", VolumeLoss{}, `mainstay.dev/volume-loss-after is "-1m"; write a time`},
		{"Recreate", "10", VolumeLoss{}, `mainstay.dev/volume-loss-after is "10"; write a time`},
	} {
		annotations := map[string]string{v1alpha1.VolumeLossAnnotation: c.policy}
		if c.after != "" {
			annotations[v1alpha1.VolumeLossAfterAnnotation] = c.after
		}
		got, err := volumeLossOf(annotations)
		switch {
		case c.fails == "" && (err != nil || got != c.want):
			t.Errorf("%+v: %+v, %v", c, got, err)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails)):
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// TestLossOf: only what is a node's own is lost with it.
func TestLossOf(t *testing.T) {
	node := func(name string, labels map[string]string, taints ...corev1.Taint) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Spec: corev1.NodeSpec{Taints: taints}}
	}
	labels := func(host, zone string) map[string]string {
		return map[string]string{corev1.LabelHostname: host, corev1.LabelTopologyZone: zone}
	}
	unreachable := corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}
	nodes := []*corev1.Node{node("n1", labels("h1", "z1"), fencedTaint), node("n2", labels("h2", "z2"), unreachable), node("n3", labels("h3", "z2"))}
	several := affinityTo(corev1.LabelHostname, "h1")
	several.Required.NodeSelectorTerms = append(several.Required.NodeSelectorTerms, affinityTo(corev1.LabelHostname, "h9").Required.NodeSelectorTerms...)
	for _, c := range []struct {
		name     string
		affinity *corev1.VolumeNodeAffinity
		want     string
	}{
		{"of a node that is fenced", affinityTo(corev1.LabelHostname, "h1"), "node n1 is fenced"},
		{"of a node that is not reached, but not fenced", affinityTo(corev1.LabelHostname, "h2"), ""},
		{"of a node that is well", affinityTo(corev1.LabelHostname, "h3"), ""},
		{"of a node that is gone", affinityTo(corev1.LabelHostname, "h4"), "node h4 is gone"},
		{"by the name that its driver has for nodes", affinityTo("topology.example.com/node", "x"), "node x is gone"},
		{"of any node", nil, ""},
		{"of a zone, all of which is fenced", affinityTo(corev1.LabelTopologyZone, "z1"), ""},
		{"of a zone that is gone", affinityTo(corev1.LabelTopologyZone, "z3"), ""},
		{"of one of two nodes", affinityTo(corev1.LabelHostname, "h1", "h9"), ""},
		{"of either of two nodes", several, ""},
	} {
		volume := &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{NodeAffinity: c.affinity}}
		if got := lossOf(volume, nodes); got != c.want {
			t.Errorf("a volume %s: %q", c.name, got)
		}
	}
	if got := lossOf(nil, nodes); got != "" {
		t.Errorf("a volume that is not known: %q", got)
	}
}
