package cli

import (
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

func fromYAML(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	set := &unstructured.Unstructured{}
	data, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = json.Unmarshal(data, &set.Object) // whole numbers stay whole
	}
	if err != nil {
		t.Fatal(err)
	}
	return set
}

const copied = `
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
  namespace: default
  uid: one
  resourceVersion: "7"
  labels: {tier: data}
  annotations:
    mainstay.dev/recovery: Replace
    mainstay.dev/failover: Manual
    mainstay.dev/failover-after-seconds: "30"
    mainstay.dev/volume-loss: Recreate
    mainstay.dev/volume-loss-after: 90s
    kubectl.kubernetes.io/last-applied-configuration: "{}"
    note: keep
spec:
  replicas: 2
  template: {metadata: {creationTimestamp: null, labels: {app: db}}, spec: {containers: [{name: db}]}}
  volumeClaimTemplates: [{metadata: {creationTimestamp: null, name: data}, status: {phase: Pending}}]
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}
status: {replicas: 2}
`

// TestCopyThereAndBack: what a set is goes along, both ways; what it is in one
// cluster at one moment does not.
func TestCopyThereAndBack(t *testing.T) {
	there, err := copyOf(fromYAML(t, copied), petSetKind, adoptionNote{Kind: "StatefulSet", UID: "one", Generation: 3, DeleteClaims: true})
	if err != nil {
		t.Fatal(err)
	}
	want := fromYAML(t, `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata:
  name: db
  namespace: default
  labels: {tier: data}
  annotations:
    note: keep
    mainstay.dev/adopting: '{"kind":"StatefulSet","uid":"one","generation":3,"deleteClaims":true}'
spec:
  replicas: 2
  recovery: {brokenRevision: Replace}
  failover: {policy: Manual, afterSeconds: 30}
  volumeLoss: {policy: Recreate, after: 90s}
  template: {metadata: {labels: {app: db}}, spec: {containers: [{name: db}]}}
  volumeClaimTemplates: [{metadata: {name: data}, status: {phase: Pending}}]
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Delete}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 0}}
`)
	if !reflect.DeepEqual(there.Object, want.Object) {
		t.Errorf("there: %v\nwant %v", there.Object, want.Object)
	}

	back, err := copyOf(there, statefulSetKind, adoptionNote{})
	if err != nil {
		t.Fatal(err)
	}
	spec, annotations := back.Object["spec"].(map[string]any), back.GetAnnotations()
	if spec["recovery"] != nil || annotations["mainstay.dev/recovery"] != "Replace" || back.GetLabels()["tier"] != "data" {
		t.Errorf("back: %v", back.Object)
	}
	if spec["volumeLoss"] != nil || annotations["mainstay.dev/volume-loss"] != "Recreate" || annotations["mainstay.dev/volume-loss-after"] != "90s" {
		t.Errorf("back: %v", back.Object)
	}
	if spec["failover"] != nil || annotations["mainstay.dev/failover"] != "Manual" || annotations["mainstay.dev/failover-after-seconds"] != "30" {
		t.Errorf("back: %v", back.Object)
	}
}

func TestLost(t *testing.T) {
	sent := fromYAML(t, "{a: {b: 1, c: {d: 2}, empty: {}, none: null}, list: [{p: 1, q: 2}, {p: 3}]}").Object
	kept := fromYAML(t, "{a: {b: 5, c: {}, more: 1}, list: [{p: 1}], more: 2}").Object
	if got, want := strings.Join(lost(sent, kept, "spec"), " "), "spec.a.c.d spec.list[0].q spec.list[1]"; got != want {
		t.Errorf("lost is %q, not %q", got, want)
	}
	if got := lost(sent, sent, "spec"); len(got) > 0 {
		t.Errorf("nothing was lost but %v", got)
	}
}
