package petset

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	apps "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// TestScenarios runs the files of testdata. Each case is a set, its pods and
// claims as they are seen at one moment, and the plan for them. Run it with
// -rewrite to write down the plans as they are now, and read the difference.
//
// The set's arguments, all optional but replicas:
//
//	replicas=N start=N parallel onDelete partition=N maxUnavailable=N
//	noRollingUpdate minReady=SECONDS claims=NAME+NAME deleteWhenScaled
//	deleteWhenDeleted deleting current=REV update=REV statusCurrent=N
//
// Below it a line for each pod, then for each claim:
//
//	web-0 pending|running|ready|failed|succeeded [terminating] [rev=REV]
//	      [since=DURATION] [nolabel] [novolumes]
//	claim data-web-0 [deleting] [owner=set|pod|formerset|formerpod|other] [notcontroller]
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
		Set:     readSet(t, args),
		Current: Revision{Name: args.text("current", "A"), Template: template()},
		Update:  Revision{Name: args.text("update", args.text("current", "A")), Template: template()},
		Claims:  map[string]*corev1.PersistentVolumeClaim{},
		Now:     scenarioNow,
	}
	for _, line := range strings.Split(d.Input, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "claim":
			claim := readClaim(t, o.Set, words[1], words[2:])
			o.Claims[claim.Name] = claim
		default:
			o.Pods = append(o.Pods, readPod(t, o, words[0], words[1:]))
		}
	}
	return o
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
		Replicas: a.number(t, "replicas"), Start: a.number(t, "start"), Parallel: a.has("parallel"), Deleting: a.has("deleting"),
		MinReadySeconds: int32(a.number(t, "minReady")), Update: UpdateStrategy{OnDelete: a.has("onDelete")},
		ServiceName: "svc", MatchLabels: map[string]string{"app": "web"}, Template: template(),
		Retention: Retention{DeleteWhenScaled: a.has("deleteWhenScaled"), DeleteWhenDeleted: a.has("deleteWhenDeleted")}}
	set.Status.CurrentReplicas = int32(a.number(t, "statusCurrent"))
	if !a.has("onDelete") && !a.has("noRollingUpdate") {
		set.Update.Partition = ptr.To(a.number(t, "partition"))
	}
	if a.has("maxUnavailable") {
		set.Update.MaxUnavailable = ptr.To(a.number(t, "maxUnavailable"))
	}
	for _, name := range strings.FieldsFunc(a.text("claims", ""), func(r rune) bool { return r == '+' }) {
		set.ClaimTemplates = append(set.ClaimTemplates, corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: name}})
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
		case "nolabel":
			delete(pod.Labels, apps.StatefulSetPodNameLabel)
		case "novolumes":
			pod.Spec.Volumes = nil
		default:
			t.Fatalf("%s: what is %q?", name, word)
		}
	}
	if ready {
		pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue,
			LastTransitionTime: metav1.NewTime(scenarioNow.Add(-since))}}
	}
	return pod
}

func readClaim(t *testing.T, set Set, name string, words []string) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}}
	_, ordinal, _ := SplitOrdinal(name)
	pod := metav1.OwnerReference{APIVersion: "v1", Kind: "Pod", Name: set.PodName(ordinal)}
	for _, word := range words {
		owner := pod
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

var stageNames = []string{"keep", "mark", "scale in", "update"}

// show writes a plan as the scenario files have it.
func show(plan Plan) string {
	out := &strings.Builder{}
	for _, a := range plan.Actions {
		fmt.Fprintf(out, "%s: %s %s%s: %s\n", stageNames[a.Stage], a.Verb, a.Object(), showOwners(a), a.Reason)
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
