package e2e

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// rolloutSet has an override, for undo to bring back.
const rolloutSet = `
apiVersion: mainstay.dev/v1alpha1
kind: PetSet
metadata: {name: roll}
spec:
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: roll}}
  template:
    metadata: {labels: {app: roll}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: ` + hosts.BusyboxImage + `
        imagePullPolicy: Never # an image that is nowhere shows at once
        command: [sleep, "1000000"]
        env: [{name: TURN, value: "1"}]
  overrides:
  - {ordinals: "0", template: {spec: {containers: [{name: main, env: [{name: FIRST, value: "yes"}]}]}}}
`

func tryRollout(t *testing.T, h *hosts.Host) {
	h.Apply(t, rolloutSet)
	expect(t, h.Mainstay(t, "rollout", "status", "petset/roll", "--timeout=60s"), `petset "roll" successfully rolled out`)

	// A second revision, without the override; then back to the first.
	setTurn := `[{"op":"replace","path":"/spec/template/spec/containers/0/env/0/value","value":"2"},{"op":"remove","path":"/spec/overrides"}]`
	h.Kubectl(t, "patch", "petset", "roll", "--type=json", "-p", setTurn)
	expect(t, h.Mainstay(t, "rollout", "status", "petset", "roll", "--timeout=60s"), "1 out of 2 new pods have been updated", "successfully rolled out")
	expect(t, h.Mainstay(t, "rollout", "history", "pet/roll"), "REVISION  CHANGE-CAUSE\n1         <none>\n2         <none>")
	expect(t, h.Mainstay(t, "rollout", "history", "pet/roll", "--revision=1"), "with revision #1", "TURN:\t1", "FIRST")
	expect(t, h.Mainstay(t, "rollout", "undo", "petset/roll", "--dry-run=server"), "petset.mainstay.dev/roll rolled back (server dry run)")
	expect(t, h.Mainstay(t, "rollout", "undo", "petset/roll"), "petset.mainstay.dev/roll rolled back")
	h.Mainstay(t, "rollout", "status", "petset/roll", "--timeout=60s")
	if environment := h.Kubectl(t, "exec", "roll-0", "--", "env"); !strings.Contains(environment, "TURN=1\n") || !strings.Contains(environment, "FIRST=yes\n") {
		t.Errorf("after undo roll-0 has this environment:\n%s", environment)
	}
	expect(t, h.Mainstay(t, "rollout", "undo", "petset/roll", "--to-revision=3"), "skipped rollback (current template already matches revision 3)")

	before := uidsOf(t, h, "roll")
	h.Mainstay(t, "rollout", "pause", "petset/roll")
	fails(t, h, "is already paused", "rollout", "pause", "petset/roll")
	fails(t, h, "run rollout resume first", "rollout", "restart", "petset/roll")
	h.Kubectl(t, "patch", "petset", "roll", "--type=json", "-p", `[{"op":"replace","path":"/spec/template/spec/containers/0/env/0/value","value":"3"}]`)
	follow := startFollowing(t, h, "petset/roll")
	follow.waitFor(t, `petset "roll" is paused: 0 out of 2 new pods have been updated...`)
	if after := uidsOf(t, h, "roll"); after != before {
		t.Errorf("pods of a paused set were replaced: %s, then %s", before, after)
	}
	h.Mainstay(t, "rollout", "resume", "petset/roll")
	follow.waitFor(t, "successfully rolled out")
	follow.ended(t)

	// An image that is nowhere: the follower says so, and goes on when it is put right.
	h.Kubectl(t, "patch", "petset", "roll", "--type=json", "-p", `[{"op":"replace","path":"/spec/template/spec/containers/0/image","value":"mainstay.dev/test/nowhere:1"}]`)
	follow = startFollowing(t, h, "petset/roll")
	follow.waitFor(t, `petset "roll" is stuck (Image): roll-`)
	expect(t, h.Mainstay(t, "status"), "petset default/roll: ", "lacks its image")
	h.Mainstay(t, "rollout", "undo", "petset/roll")
	follow.waitFor(t, "successfully rolled out")
	follow.ended(t)

	before = uidsOf(t, h, "roll")
	expect(t, h.Mainstay(t, "rollout", "restart", "petset/roll"), "petset.mainstay.dev/roll restarted")
	h.Mainstay(t, "rollout", "status", "petset/roll", "--timeout=60s")
	if after := uidsOf(t, h, "roll"); strings.Contains(after, strings.Fields(before)[0]) || strings.Contains(after, strings.Fields(before)[1]) {
		t.Errorf("a restart left pods as they were: %s, then %s", before, after)
	}

	fails(t, h, `there is no petset "rol" in namespace default; there is `, "rollout", "status", "petset/rol")
	fails(t, h, `have a resource type "petz"`, "rollout", "status", "petz/roll")
	fails(t, h, "pausing is not supported", "rollout", "pause", "statefulset/web")
	expect(t, h.Mainstay(t, "rollout", "history", "statefulset/web"), "statefulset.apps/web")
	h.Kubectl(t, "delete", "petset", "roll")
}

// adoptSet has claims that go with the set, the case in which an adoption could
// lose data.
const adoptSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: adoptee, labels: {tier: db}}
spec:
  serviceName: adoptee
  replicas: 2
  podManagementPolicy: Parallel
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Retain}
  selector: {matchLabels: {app: adoptee}}
  template:
    metadata: {labels: {app: adoptee}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: ` + hosts.BusyboxImage + `
        command: [sh, -c, "hostname >> /data/starts; exec sleep 1000000"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 16Mi}}}
`

func tryAdopt(t *testing.T, h *hosts.Host) {
	h.Apply(t, adoptSet)
	waitReady(t, h, "adoptee", 2)
	waitClaimOwners(t, h, "StatefulSet")
	before := uidsOf(t, h, "adoptee")

	expect(t, h.Mainstay(t, "adopt", "statefulset/adoptee", "--dry-run"), "statefulset/adoptee can become petset/adoptee")
	killHalfWay(t, h, "sts/adoptee")
	h.Mainstay(t, "adopt", "sts", "adoptee")
	expect(t, h.Mainstay(t, "adopt", "statefulset/adoptee"), "petset/adoptee is a PetSet already")
	checkAdopted(t, h, "petset", "PetSet", before)

	// What a StatefulSet cannot do is in the way back.
	h.Kubectl(t, "patch", "petset", "adoptee", "--type=merge", "-p", `{"spec":{"dependsOn":[{"apiVersion":"v1","kind":"Service","name":"dns"}]}}`)
	h.Mainstay(t, "rollout", "status", "petset/adoptee", "--timeout=60s")
	fails(t, h, "spec.dependsOn", "adopt", "petset/adoptee")
	fails(t, h, "not found", "kubectl", "get", "statefulset", "adoptee")
	killHalfWay(t, h, "petset/adoptee", "--drop-features")
	h.Mainstay(t, "adopt", "petset/adoptee", "--drop-features")
	checkAdopted(t, h, "statefulset", "StatefulSet", before)
	waitReady(t, h, "adoptee", 2)

	fails(t, h, `"pod" cannot be adopted`, "adopt", "pod/adoptee-0")
	fails(t, h, "there is no statefulset/adopted in namespace default", "adopt", "statefulset/adopted")
	h.Kubectl(t, "delete", "statefulset", "adoptee")
}

// killHalfWay starts the adoption some times, and kills it as soon as it has
// said what it did first.
func killHalfWay(t *testing.T, h *hosts.Host, arguments ...string) {
	t.Helper()
	for range 5 {
		command := h.Command(append([]string{"adopt"}, arguments...)...)
		output, err := command.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		line, _ := bufio.NewReader(output).ReadString('\n')
		_ = command.Process.Kill()
		_ = command.Wait()
		t.Logf("killed after: %s", line)
	}
}

func checkAdopted(t *testing.T, h *hosts.Host, resource, kind, before string) {
	t.Helper()
	if after := uidsOf(t, h, "adoptee"); after != before {
		t.Errorf("the pods are %s, and were %s", after, before)
	}
	for _, pod := range pets(t, h, "adoptee") {
		if owner := metav1.GetControllerOf(&pod); owner == nil || owner.Kind != kind || pod.Status.ContainerStatuses[0].RestartCount != 0 {
			t.Errorf("%s has the owner %v and %d restarts", pod.Name, owner, pod.Status.ContainerStatuses[0].RestartCount)
		}
	}
	waitClaimOwners(t, h, kind)
	if set := h.Kubectl(t, "get", resource, "adoptee", "-o", "yaml"); !strings.Contains(set, "whenDeleted: Delete") ||
		!strings.Contains(set, "tier: db") || strings.Contains(set, "mainstay.dev/adopting") {
		t.Errorf("the set after its adoption:\n%s", set)
	}
	if starts := h.Kubectl(t, "exec", "adoptee-1", "--", "cat", "/data/starts"); starts != "adoptee-1\n" {
		t.Errorf("adoptee-1 was started once, and its volume says %q", starts)
	}
}

// waitClaimOwners waits until the claims go with a set of that kind.
func waitClaimOwners(t *testing.T, h *hosts.Host, kind string) {
	t.Helper()
	claims := h.Client(t).CoreV1().PersistentVolumeClaims("default")
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		list, err := claims.List(ctx, metav1.ListOptions{LabelSelector: "app=adoptee"})
		if err != nil {
			return err
		}
		for _, claim := range list.Items {
			if claim.Status.Phase != corev1.ClaimBound || claim.DeletionTimestamp != nil {
				t.Fatalf("claim %s: %+v", claim.Name, claim)
			}
			if len(claim.OwnerReferences) != 1 || claim.OwnerReferences[0].Kind != kind {
				return fmt.Errorf("claim %s is owned by %v, not by a %s", claim.Name, claim.OwnerReferences, kind)
			}
		}
		if len(list.Items) != 2 {
			return fmt.Errorf("there are %d claims", len(list.Items))
		}
		return nil
	})
}

func uidsOf(t *testing.T, h *hosts.Host, app string) string {
	t.Helper()
	var words []string
	for _, pod := range pets(t, h, app) {
		words = append(words, pod.Name+"="+string(pod.UID))
	}
	return strings.Join(words, " ")
}

func expect(t *testing.T, output string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(output, part) {
			t.Errorf("this lacks %q:\n%s", part, output)
		}
	}
}

// fails runs a command that must fail and say why.
func fails(t *testing.T, h *hosts.Host, says string, arguments ...string) {
	t.Helper()
	output, err := h.Command(arguments...).CombinedOutput()
	if err == nil || !strings.Contains(string(output), says) {
		t.Errorf("mainstay %s: %v\n%s\nIt should fail and say %q", strings.Join(arguments, " "), err, output, says)
	}
}

// following is a `rollout status` that runs beside the test.
type following struct {
	lines chan string
	seen  bytes.Buffer
	err   chan error
}

func startFollowing(t *testing.T, h *hosts.Host, set string) *following {
	t.Helper()
	command := h.Command("rollout", "status", set, "--timeout=90s")
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	f := &following{lines: make(chan string, 1000), err: make(chan error, 1)}
	go func() {
		scanner := bufio.NewScanner(output)
		for scanner.Scan() {
			f.lines <- scanner.Text()
		}
		close(f.lines)
		f.err <- command.Wait()
	}()
	return f
}

func (f *following) waitFor(t *testing.T, says string) {
	t.Helper()
	for line := range f.lines {
		fmt.Fprintln(&f.seen, line)
		if strings.Contains(line, says) {
			return
		}
	}
	t.Fatalf("rollout status never says %q:\n%s", says, f.seen.String())
}

func (f *following) ended(t *testing.T) {
	t.Helper()
	if err := <-f.err; err != nil {
		t.Errorf("rollout status ends with %v:\n%s", err, f.seen.String())
	}
	t.Logf("rollout status said:\n%s", f.seen.String())
}
