package controller

import (
	"errors"
	"fmt"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// testVolumeLoss: a pet whose volume is on a node that is fenced gets another claim, and
// the volume is kept.
func testVolumeLoss(c *cluster) {
	volume, node := c.loseVolume(v1alpha1.VolumeLossRecreate)
	if kept := c.volume(volume); kept.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain || kept.Annotations[v1alpha1.LostAnnotation] == "" {
		c.Errorf("the volume is to be %s, annotations %v", kept.Spec.PersistentVolumeReclaimPolicy, kept.Annotations)
	}
	if _, err := c.client.CoreV1().Pods(c.namespace).Get(c.ctx, "web-1", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		c.Errorf("the pod should be gone: %v", err)
	}
	c.expectEventLike("VolumeLost", "node "+node+" is fenced, and claim data-web-1 gets a new one: the volume is kept")
	if from := c.replacedClaim(volume).Spec.DataSource; from != nil {
		c.Errorf("the new volume is to be empty, not from %v", from)
	}
	c.kubelet.release(c.namespace, "web-1")
	c.settled()
	c.eventually("the note to go", func() error {
		if notes := c.claim("data-web-1").Annotations; len(notes) > 0 {
			return fmt.Errorf("there are %v", notes)
		}
		return nil
	})
	c.expectCondition(v1alpha1.ConditionStuck, metav1.ConditionFalse, "NothingStuck", "")
}

// testRestoredVolume: the claim is made from the newest snapshot, once.
func testRestoredVolume(c *cluster) {
	volume, _ := c.loseVolume(v1alpha1.VolumeLossRestoreSnapshot)
	if from := c.replacedClaim(volume).Spec.DataSource; from == nil || from.Kind != "VolumeSnapshot" || from.Name != "second" {
		c.Errorf("the new volume is to be from %v", from)
	}
	c.kubelet.release(c.namespace, "web-1")
	c.settled()
	c.eventually("the notes to go", func() error {
		if notes, name := c.claim("data-web-1").Annotations, c.volume(volume).Annotations[v1alpha1.RestoreFromAnnotation]; len(notes) > 0 || name != "" {
			return fmt.Errorf("there are %v, and snapshot %s", notes, name)
		}
		return nil
	})
}

// loseVolume waits until the claim of web-1 is given up, whose volume is on a node that is fenced.
func (c *cluster) loseVolume(policy v1alpha1.VolumeLossPolicy) (volume, node string) {
	node = c.addNode(map[string]string{nodeLabel: c.namespace})
	c.kubelet.place(c.namespace, "web-1", node)
	c.create(webSet(2, withData))
	c.changePetSet(func(s *v1alpha1.PetSetSpec) {
		s.VolumeLoss = &v1alpha1.VolumeLoss{Policy: policy, After: &metav1.Duration{}}
	})
	c.settled()
	volume = c.bindClaim("data-web-1", ofNode(c.namespace))
	c.takeSnapshot("first", "data-web-1", time.Now())
	c.takeSnapshot("second", "data-web-1", time.Now().Add(2*time.Second)) // of whole seconds

	c.kubelet.place(c.namespace, "web-1", "")
	c.kubelet.hold(c.namespace, "web-1", "place") // its volume is on no other node
	c.fence(node, true)
	c.take("web-1")
	c.eventually("the claim to be given up", func() error {
		if c.claim("data-web-1").DeletionTimestamp == nil {
			return errors.New("it is there")
		}
		return nil
	})
	return volume, node
}

// replacedClaim waits for the claim that takes the place of the one that was given up.
func (c *cluster) replacedClaim(volume string) (now *corev1.PersistentVolumeClaim) {
	before := c.claim("data-web-1").UID
	// The controller of claims lets go what nobody uses.
	_, err := c.client.CoreV1().PersistentVolumeClaims(c.namespace).Patch(c.ctx, "data-web-1", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{})
	c.must(err)
	c.eventually("another claim", func() (err error) {
		now, err = c.client.CoreV1().PersistentVolumeClaims(c.namespace).Get(c.ctx, "data-web-1", metav1.GetOptions{})
		if err == nil && (now.UID == before || now.Spec.VolumeName != "" || now.Annotations[v1alpha1.ReplacesAnnotation] != volume) {
			return fmt.Errorf("it is %s of volume %q, annotations %v", now.UID, now.Spec.VolumeName, now.Annotations)
		}
		return err
	})
	return now
}

func (c *cluster) takeSnapshot(name, claim string, at time.Time) {
	c.Helper()
	snapshots := c.objects.Resource(snapshotv1.SchemeGroupVersion.WithResource("volumesnapshots")).Namespace(c.namespace)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": snapshotv1.SchemeGroupVersion.String(), "kind": "VolumeSnapshot", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"source": map[string]any{"persistentVolumeClaimName": claim}},
	}}
	object, err := snapshots.Create(c.ctx, object, metav1.CreateOptions{})
	c.must(err)
	object.Object["status"] = map[string]any{"readyToUse": true, "creationTime": at.UTC().Format(time.RFC3339)}
	_, err = snapshots.UpdateStatus(c.ctx, object, metav1.UpdateOptions{})
	c.must(err)
}

const nodeLabel = "topology.mainstay.dev/node"

// ofNode: on the disk of the node that bears the label.
func ofNode(value string) func(*corev1.PersistentVolumeSpec) {
	return func(spec *corev1.PersistentVolumeSpec) {
		spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
		spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
			{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: nodeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{value}}}}}}}
	}
}

func (c *cluster) volume(name string) *corev1.PersistentVolume {
	c.Helper()
	volume, err := c.client.CoreV1().PersistentVolumes().Get(c.ctx, name, metav1.GetOptions{})
	c.must(err)
	return volume
}
