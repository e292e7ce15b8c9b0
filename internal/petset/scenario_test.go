package petset

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// TestScenarios runs the files of testdata. Each case is a set, its pods and
// claims as they are seen at one moment, and the plan for them. Run it with
// -rewrite to write down the plans as they are now, and read the difference.
//
// The set's arguments, all optional but replicas:
//
//	replicas=N start=N reserved=N+N-N replaceBroken parallel onDelete partition=N maxUnavailable=N
//	noRollingUpdate minReady=SECONDS claims=NAME+NAME deleteWhenScaled
//	ascending leaderLast paused deleteWhenDeleted deleting current=REV update=REV statusCurrent=N
//
// and of a PetSet:
//
//	inPlace image=IMAGE env (of the update revision; the current one has web:1)
//	override=N+N-N (of the update revision) drain=DURATION drainProceed unready nameTaken
//	claimsFollow size=QUANTITY class=NAME failedOver=N+N recreate=DURATION [restore]
//
// Below it a line for each pod, then for each claim:
//
//	web-0 pending|running|ready|failed|succeeded [terminating] [rev=REV]
//	      [since=DURATION] [leader] [nolabel] [novolumes] [mounts=CLAIMTEMPLATE]
//	      [on=NODE] [draining=DURATION] [drained] [drainFailed] [changing|changed|unfulfilled|infeasible]
//	claim data-web-0 [deleting] [owner=set|pod|formerset|formerpod|other] [notcontroller]
//	      [made=DURATION] [source=SNAPSHOT] [noted=DURATION] [replaces=VOLUME] [bound=QUANTITY] [capacity=QUANTITY] [resizePending=DURATION] [resizeFailed] [class=NAME]
//
// and for each node, and each volume, of a claim that is there or was:
//
//	node NAME [fenced]
//	volume NAME on=NODE of=CLAIM|was=CLAIM [size=QUANTITY] [marked|marked=SNAPSHOT] [reclaim=POLICY] [driver=NAME]
//	snapshot NAME of=CLAIM taken=DURATION [unready]
func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if d.Cmd != "decide" {
				d.Fatalf(t, "unknown command %s", d.Cmd)
			}
			return show(Decide(readObservation(t, d)))
		})
	})
}

var scenarioNow = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func readObservation(t *testing.T, d *datadriven.TestData) Observation {
	args := readArgs(d)
	o := Observation{
		Set:           readSet(t, args),
		Current:       Revision{Name: args.text("current", "A"), Template: template()},
		Update:        Revision{Name: args.text("update", args.text("current", "A")), Template: template()},
		DrainFailures: map[types.UID]string{},
		Claims:        map[string]*corev1.PersistentVolumeClaim{},
		Volumes:       map[string]*corev1.PersistentVolume{},
		Now:           scenarioNow,
	}
	readUpdate(t, args, &o)
	if args.has("unready") {
		o.Unready = []string{"Deployment db, of which 0 of 1 replicas are available"}
	}
	o.FailedOver = map[string]string{}
	for _, ordinal := range strings.FieldsFunc(args.text("failedOver", ""), func(r rune) bool { return r == '+' }) {
		o.FailedOver["web-"+ordinal] = "n1"
	}
	if args.has("nameTaken") {
		o.NameTaken = "the StatefulSet web has the same pods"
	}
	for _, line := range strings.Split(d.Input, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "node":
			o.Nodes = append(o.Nodes, readNode(words[1], words[2:]))
		case words[0] == "volume":
			readVolume(t, o, words[1], words[2:])
		case words[0] == "snapshot":
			o.Snapshots = append(o.Snapshots, readSnapshot(t, words[1], words[2:]))
		case words[0] == "claim":
			claim := readClaim(t, o.Set, words[1], words[2:])
			o.Claims[claim.Name] = claim
		default:
			o.Pods = append(o.Pods, readPod(t, o, words[0], words[1:]))
		}
	}
	return o
}

// readUpdate makes the update revision differ from the current one.
func readUpdate(t *testing.T, a args, o *Observation) {
	for _, revision := range []*Revision{&o.Current, &o.Update} {
		revision.Template.Spec.Containers = []corev1.Container{{Name: "web", Image: "web:1"}}
	}
	container := &o.Update.Template.Spec.Containers[0]
	container.Image = a.text("image", "web:1")
	if a.has("env") {
		container.Env = []corev1.EnvVar{{Name: "A", Value: "B"}}
	}
	if !a.has("override") {
		return
	}
	var err error
	o.Update.overridden, err = override(o.Update.Template, []v1alpha1.Override{{Ordinals: strings.ReplaceAll(a.text("override", ""), "+", ","),
		Template: runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[{"name":"web","env":[{"name":"ROLE","value":"seed"}]}]}}`)}}})
	if err != nil {
		t.Fatal(err)
	}
}

func template() *corev1.PodTemplateSpec {
	return &corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}}
}

// args are the arguments of a scenario's set; those without a value are "".
type args map[string]string

func readArgs(d *datadriven.TestData) args {
	known := args{}
	for _, arg := range d.CmdArgs {
		known[arg.Key] = strings.Join(arg.Vals, "")
	}
	return known
}

func (a args) has(key string) bool {
	_, ok := a[key]
	return ok
}

func (a args) text(key, otherwise string) string {
	if value, ok := a[key]; ok {
		return value
	}
	return otherwise
}

func (a args) number(t *testing.T, key string) int {
	n, err := strconv.Atoi(a.text(key, "0"))
	if err != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return n
}

func readSet(t *testing.T, a args) Set {
	set := Set{Kind: StatefulSetKind, Namespace: "ns", Name: "web", UID: "set-uid", Generation: 7,
		Replicas: a.number(t, "replicas"), Parallel: a.has("parallel"), Deleting: a.has("deleting"), ReplaceBroken: a.has("replaceBroken"),
		MinReadySeconds: int32(a.number(t, "minReady")), Update: UpdateStrategy{OnDelete: a.has("onDelete")},
		ServiceName: "svc", MatchLabels: map[string]string{"app": "web"}, Template: template(),
		Retention: Retention{DeleteWhenScaled: a.has("deleteWhenScaled"), DeleteWhenDeleted: a.has("deleteWhenDeleted")}}
	if a.has("recreate") {
		after, err := time.ParseDuration(a["recreate"])
		if err != nil {
			t.Fatal(err)
		}
		set.VolumeLoss = VolumeLoss{Recreate: true, Restore: a.has("restore"), After: after}
	}
	ordinals, err := NewOrdinals(a.number(t, "start"), strings.FieldsFunc(a.text("reserved", ""), func(r rune) bool { return r == '+' }))
	if err != nil {
		t.Fatal(err)
	}
	set.Ordinals = ordinals
	set.Status.CurrentReplicas = int32(a.number(t, "statusCurrent"))
	if !a.has("onDelete") && !a.has("noRollingUpdate") {
		set.Update.Partition = ptr.To(a.number(t, "partition"))
	}
	set.Update.Ascending, set.Update.Paused = a.has("ascending"), a.has("paused")
	if a.has("leaderLast") {
		set.Update.LeaderLast = labels.SelectorFromSet(labels.Set{"role": "leader"})
	}
	if a.has("maxUnavailable") {
		set.Update.MaxUnavailable = ptr.To(a.number(t, "maxUnavailable"))
	}
	for _, name := range strings.FieldsFunc(a.text("claims", ""), func(r rune) bool { return r == '+' }) {
		claim := corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if a.has("size") {
			claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(a["size"])}
		}
		if a.has("class") {
			claim.Spec.VolumeAttributesClassName = ptr.To(a["class"])
		}
		set.ClaimTemplates = append(set.ClaimTemplates, claim)
	}
	set.ClaimsFollow, set.Update.InPlace = a.has("claimsFollow"), a.has("inPlace")
	if a.has("drain") {
		limit, err := time.ParseDuration(a["drain"])
		if err != nil {
			t.Fatal(err)
		}
		set.Drain = &v1alpha1.Drain{TimeoutSeconds: int32(limit / time.Second), OnTimeout: v1alpha1.DrainHold}
		if a.has("drainProceed") {
			set.Drain.OnTimeout = v1alpha1.DrainProceed
		}
	}
	return set
}

func readPod(t *testing.T, o Observation, name string, words []string) *corev1.Pod {
	_, ordinal, ok := SplitOrdinal(name)
	if !ok {
		t.Fatalf("%s is not the name of a pet", name)
	}
	pod := o.Set.NewPod(ordinal, o.Update)
	pod.UID = types.UID(name + "-uid")
	since := time.Hour
	ready := false
	for _, word := range words {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "pending", "running", "failed", "succeeded":
			pod.Status.Phase = corev1.PodPhase(strings.ToUpper(key[:1]) + key[1:])
		case "ready":
			pod.Status.Phase, ready = corev1.PodRunning, true
		case "terminating":
			pod.DeletionTimestamp = &metav1.Time{Time: scenarioNow}
		case "rev":
			pod.Labels[apps.StatefulSetRevisionLabel] = value
		case "since":
			since, _ = time.ParseDuration(value)
		case "on":
			pod.Spec.NodeName = value
		case "leader":
			pod.Labels["role"] = "leader"
		case "nolabel":
			delete(pod.Labels, apps.StatefulSetPodNameLabel)
		case "novolumes":
			pod.Spec.Volumes = nil
		case "mounts":
			pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: value, VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: o.Set.ClaimName(value, ordinal)}}})
		case "draining":
			began, _ := time.ParseDuration(value)
			annotate(pod, v1alpha1.DrainStartedAnnotation, scenarioNow.Add(-began).Format(time.RFC3339))
		case "drained":
			annotate(pod, v1alpha1.DrainedAnnotation, scenarioNow.Format(time.RFC3339))
		case "drainFailed":
			o.DrainFailures[pod.UID] = "the command ended with status 1"
		case "changing":
			annotate(pod, v1alpha1.InPlaceAnnotation, `{"restarts":{"web":{"id":"","image":"web:2"}}}`)
		case "changed":
			annotate(pod, v1alpha1.InPlaceAnnotation, `{}`)
		case "unfulfilled":
			annotate(pod, v1alpha1.InPlaceAnnotation, `{"resources":{"web":{"limits":{"cpu":"2"}}}}`)
		case "infeasible":
			annotate(pod, v1alpha1.InPlaceAnnotation, `{"resources":{"web":{}}}`)
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodResizePending,
				Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible})
		default:
			t.Fatalf("%s: what is %q?", name, word)
		}
	}
	pod.Status.StartTime = ptr.To(metav1.NewTime(scenarioNow.Add(-time.Hour)))
	if ready {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(scenarioNow.Add(-since))})
	}
	return pod
}

func annotate(pod *corev1.Pod, key, value string) {
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	pod.Annotations[key] = value
}

func readClaim(t *testing.T, set Set, name string, words []string) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	_, ordinal, _ := SplitOrdinal(name)
	pod := metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: set.PodName(ordinal)}
	for _, word := range words {
		owner := pod
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "bound":
			claim.Status.Phase = corev1.ClaimBound
			claim.Spec.Resources.Requests = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(value)}
			continue
		case "capacity":
			claim.Status.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(value)}
			continue
		case "noted":
			since, _ := time.ParseDuration(value)
			claim.Annotations = map[string]string{v1alpha1.LostSinceAnnotation: scenarioNow.Add(-since).Format(time.RFC3339)}
			continue
		case "made":
			ago, _ := time.ParseDuration(value)
			claim.CreationTimestamp = metav1.NewTime(scenarioNow.Add(-ago))
			continue
		case "source":
			claim.Spec.DataSource = &corev1.TypedLocalObjectReference{Kind: "VolumeSnapshot", Name: value}
			continue
		case "replaces":
			claim.Annotations = map[string]string{v1alpha1.ReplacesAnnotation: value}
			continue
		case "resizeFailed":
			claim.Status.Conditions = append(claim.Status.Conditions, corev1.PersistentVolumeClaimCondition{
				Type: corev1.PersistentVolumeClaimNodeResizeError, Status: corev1.ConditionTrue, Message: "it is in use"})
			continue
		case "class":
			claim.Spec.VolumeAttributesClassName = ptr.To(value)
			continue
		case "resizePending":
			since, _ := time.ParseDuration(value)
			claim.Status.Conditions = []corev1.PersistentVolumeClaimCondition{{Type: corev1.PersistentVolumeClaimFileSystemResizePending,
				Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(scenarioNow.Add(-since))}}
			continue
		}
		switch word {
		case "deleting":
			claim.DeletionTimestamp = &metav1.Time{Time: scenarioNow}
			continue
		case "notcontroller":
			claim.OwnerReferences[len(claim.OwnerReferences)-1].Controller = nil
			continue
		case "owner=set":
			owner = *metav1.NewControllerRef(set.owner(), set.Kind)
		case "owner=formerset":
			owner = *metav1.NewControllerRef(set.owner(), set.Kind)
			owner.UID = "former-uid"
		case "owner=pod":
			owner.UID = types.UID(pod.Name + "-uid")
		case "owner=formerpod":
			owner.UID = "former-uid"
		case "owner=other":
			owner = metav1.OwnerReference{APIVersion: "db/v1", Kind: "Database", Name: "main", UID: "other-uid"}
		default:
			t.Fatalf("%s: what is %q?", name, word)
		}
		owner.Controller = ptr.To(true)
		claim.OwnerReferences = append(claim.OwnerReferences, owner)
	}
	return claim
}

var stageNames = []string{"keep", "mark", "scale in", "update", "claims"}

// show writes a plan as the scenario files have it.
func show(plan Plan) string {
	out := &strings.Builder{}
	for _, a := range plan.Actions {
		fmt.Fprintf(out, "%s: %s %s%s: %s\n", stageNames[a.Stage], a.Verb, a.Object(), showOwners(a), a.Reason)
		for _, note := range notesIn(a) {
			fmt.Fprintf(out, "  %s\n", note)
		}
		if note := noteIn(a); note != "" {
			fmt.Fprintf(out, "  note: %s\n", note)
		}
		if a.Warning != "" {
			fmt.Fprintf(out, "  warning: %s\n", a.Warning)
		}
	}
	if len(plan.Actions) == 0 {
		fmt.Fprintln(out, "nothing to do")
	}
	for _, w := range plan.Waits {
		fmt.Fprintf(out, "wait for %s: %s\n", w.Pod, w.Reason)
	}
	for _, w := range plan.Uncreatable {
		fmt.Fprintf(out, "tell: %s cannot be created: %s\n", w.Pod, w.Reason)
	}
	if plan.Trouble != nil {
		fmt.Fprintf(out, "stuck: %s: %s %s\n", plan.Trouble.Reason, plan.Trouble.Pod, plan.Trouble.Message)
	}
	s := plan.Status
	fmt.Fprintf(out, "status: %d replicas, %d ready, %d available, %d current (%s), %d updated (%s)\n",
		s.Replicas, s.ReadyReplicas, s.AvailableReplicas, s.CurrentReplicas, s.CurrentRevision, s.UpdatedReplicas, s.UpdateRevision)
	if plan.RecheckAfter != 0 {
		fmt.Fprintf(out, "look again in %v\n", plan.RecheckAfter)
	}
	return out.String()
}

func showOwners(a Action) string {
	if a.Claim == nil {
		return ""
	}
	owners := []string{}
	for _, ref := range a.Claim.OwnerReferences {
		owners = append(owners, ref.Kind)
	}
	return " of " + strings.Join(append(owners, "nobody")[:max(1, len(owners))], " and ")
}

func noteIn(a Action) string {
	if a.Pod == nil || a.Verb != UpdatePod {
		return ""
	}
	return a.Pod.Annotations[v1alpha1.InPlaceAnnotation]
}

// notesIn are what the claim or the volume of an action bears.
func notesIn(a Action) (notes []string) {
	annotations := map[string]string{}
	switch {
	case a.Volume != nil:
		annotations = a.Volume.Annotations
		notes = append(notes, string(a.Volume.Spec.PersistentVolumeReclaimPolicy))
	case a.Claim != nil && a.Verb != DeleteClaim:
		annotations = a.Claim.Annotations
		if from := a.Claim.Spec.DataSource; from != nil && a.Verb == CreateClaim {
			notes = append(notes, fmt.Sprintf("%s of %s %s", a.Claim.Spec.Resources.Requests.Storage(), from.Kind, from.Name))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		notes = append(notes, key+": "+annotations[key])
	}
	return notes
}

func readNode(name string, words []string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{nodeLabel: name}}}
	if len(words) > 0 {
		node.Spec.Taints = []corev1.Taint{fencedTaint}
	}
	return node
}

const nodeLabel = "topology.mainstay.dev/node"

var fencedTaint = corev1.Taint{Key: v1alpha1.FencedTaint, Effect: corev1.TaintEffectNoSchedule}

// localVolume is one of a node's own.
func localVolume(name, node string, claim *corev1.PersistentVolumeClaim) *corev1.PersistentVolume {
	volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{}}}
	volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	volume.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "ns", Name: claim.Name, UID: claim.UID}
	volume.Spec.NodeAffinity = affinityTo(nodeLabel, node)
	return volume
}

func affinityTo(label string, values ...string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: label, Operator: corev1.NodeSelectorOpIn, Values: values}}}}}}
}

func readVolume(t *testing.T, o Observation, name string, words []string) {
	claim, node, size, marked, from, driver := &corev1.PersistentVolumeClaim{}, "", "1Gi", false, "", "somebody.example.com"
	reclaim := ""
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "on":
			node = value
		case "of":
			claim = o.Claims[value]
			claim.Spec.VolumeName = name
		case "was":
			claim.Name, claim.UID = value, "former-uid"
		case "marked":
			marked, from = true, value
		case "driver":
			driver = value
		case "size":
			size = value
		case "reclaim":
			reclaim = value
		default:
			t.Fatalf("%s: what is %q?", name, word)
		}
	}
	volume := localVolume(name, node, claim)
	volume.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: driver}
	volume.Spec.Capacity = corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)}
	if marked {
		volume.Annotations[v1alpha1.LostAnnotation] = "some time ago"
		volume.Annotations[v1alpha1.FormerReclaimPolicyAnnotation] = "Delete"
		volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimRetain
	}
	if from != "" {
		volume.Annotations[v1alpha1.RestoreFromAnnotation] = from
	}
	if reclaim != "" {
		volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimPolicy(reclaim)
	}
	o.Volumes[name] = volume
}

func readSnapshot(t *testing.T, name string, words []string) snapshotv1.VolumeSnapshot {
	s := snapshotv1.VolumeSnapshot{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Status: &snapshotv1.VolumeSnapshotStatus{ReadyToUse: ptr.To(true)}}
	for _, word := range words {
		switch key, value, _ := strings.Cut(word, "="); key {
		case "of":
			s.Spec.Source.PersistentVolumeClaimName = ptr.To(value)
		case "taken":
			ago, err := time.ParseDuration(value)
			if err != nil {
				t.Fatal(err)
			}
			s.Status.CreationTime = ptr.To(metav1.NewTime(scenarioNow.Add(-ago)))
		case "unready":
			s.Status.ReadyToUse = ptr.To(false)
		default:
			t.Fatalf("%s: what is %q?", name, word)
		}
	}
	return s
}
