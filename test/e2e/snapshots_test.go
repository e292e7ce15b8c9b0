package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// ledgerSet writes numbers, each on disk before it is acknowledged and before the
// next.
const ledgerSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ledger}
spec:
  serviceName: ledger
  replicas: 2
  selector: {matchLabels: {app: ledger}}
  template:
    metadata: {labels: {app: ledger}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: ledger
        image: ` + hosts.BusyboxImage + `
        command: [sh, -c, "n=$(wc -l < /data/numbers || echo 0); while true; do n=$((n+1)); echo $n >> /data/numbers; sync /data/numbers; echo $n > /tmp/acknowledged; done"]
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 64Mi}}}
`

// readerPod fails unless the numbers on a claim are 1, 2, 3 and so on, and prints
// the last one and the file system's size in KiB.
const readerPod = `
apiVersion: v1
kind: Pod
metadata: {name: "reader-%[1]s"}
spec:
  restartPolicy: Never
  containers:
  - name: reader
    image: ` + hosts.BusyboxImage + `
    command: [sh, -c, "awk 'NR != $1 {exit 1} END {print NR}' /data/numbers && df -k /data | awk 'END {print $2}'"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: "%[1]s"}}]
`

// trySnapshots does what docs/snapshots.md tells, with the manifests that stand
// there.
func trySnapshots(t *testing.T, h *hosts.Host) {
	manifests := manifestsOf(t, "../../docs/snapshots.md")
	if len(manifests) != 4 {
		t.Fatalf("the page has %d manifests", len(manifests))
	}
	single, restored, cloned, group := manifests[0], manifests[1], manifests[2], manifests[3]
	h.Apply(t, ledgerSet)
	waitReady(t, h, "ledger", 2)

	asked := acknowledged(t, h, "ledger-0")
	h.Apply(t, single)
	waitForSnapshot(t, h, "volumesnapshot/before-upgrade")
	h.Apply(t, restored)
	last, size := read(t, h, "restored")
	t.Logf("acknowledged before the snapshot was asked for: %d; restored: %d", asked, last)
	if last < asked || size < 100<<10 {
		t.Errorf("%d were acknowledged before the snapshot; restored are %d, in %d KiB", asked, last, size)
	}

	asked = acknowledged(t, h, "ledger-1")
	h.Apply(t, cloned)
	if last, size := read(t, h, "cloned"); last < asked || size > 64<<10 {
		t.Errorf("%d were acknowledged before the clone; it has %d, in %d KiB", asked, last, size)
	}

	asked = min(acknowledged(t, h, "ledger-0"), acknowledged(t, h, "ledger-1"))
	h.Apply(t, group)
	waitForSnapshot(t, h, "volumegroupsnapshot/all-of-ledger")
	tryGroup(t, h, asked)

	// What was taken outlives the set and its claims.
	h.Kubectl(t, "delete", "statefulset/ledger", "pod/reader-restored", "--wait")
	h.Kubectl(t, "delete", "pvc", "-l", "app=ledger", "--wait", "--timeout=60s")
	h.Kubectl(t, "delete", "pvc", "restored", "--wait", "--timeout=60s")
	h.Apply(t, strings.ReplaceAll(restored, "128Mi", "64Mi"))
	if again, _ := read(t, h, "restored"); again != last {
		t.Errorf("restored again: %d, at first it was %d", again, last)
	}

	tryImpossibleRestore(t, h, restored)
	h.Kubectl(t, "delete", "pod/reader-restored", "pod/reader-cloned", "pvc/restored", "pvc/cloned", "--wait")
	h.Kubectl(t, "delete", "volumesnapshot/before-upgrade", "volumegroupsnapshot/all-of-ledger", "--wait", "--timeout=60s")
	noSnapshotLeft(t, h)
	noRightMissing(t, h)
}

// manifestsOf gives the YAML of a page, in the order in which a reader meets it.
func manifestsOf(t *testing.T, page string) (manifests []string) {
	t.Helper()
	content, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, after := range strings.Split(string(content), "```yaml\n")[1:] {
		manifest, _, _ := strings.Cut(after, "```")
		manifests = append(manifests, manifest)
	}
	return manifests
}

// acknowledged waits for some numbers of a pet, and gives the last that is on disk.
func acknowledged(t *testing.T, h *hosts.Host, pet string) (number int) {
	t.Helper()
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		output, err := h.Command("kubectl", "exec", pet, "--", "cat", "/tmp/acknowledged").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, output)
		}
		if number, err = strconv.Atoi(strings.TrimSpace(string(output))); err == nil && number < 3 {
			err = fmt.Errorf("only %d numbers yet", number)
		}
		return err
	})
	return number
}

func waitForSnapshot(t *testing.T, h *hosts.Host, name string) {
	t.Helper()
	start := time.Now()
	output, err := h.Command("kubectl", "wait", "--for=jsonpath={.status.readyToUse}=true", name, "--timeout=60s").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, output, h.Kubectl(t, "get", name, "-o", "yaml"))
	}
	t.Logf("%s is ready after %v", name, time.Since(start).Round(time.Millisecond))
}

// read runs a pod on a claim, and gives the last number there and the size of the
// file system in KiB.
func read(t *testing.T, h *hosts.Host, claim string) (last, size int) {
	t.Helper()
	h.Apply(t, fmt.Sprintf(readerPod, claim))
	pod := "reader-" + claim
	output, err := h.Command("kubectl", "wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/"+pod, "--timeout=60s").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s\n%s", err, output, h.Kubectl(t, "describe", "pod", pod), h.Kubectl(t, "describe", "pvc", claim))
	}
	if _, err := fmt.Sscan(h.Kubectl(t, "logs", pod), &last, &size); err != nil {
		t.Fatal(err)
	}
	return last, size
}

// tryGroup restores one snapshot of the group.
func tryGroup(t *testing.T, h *hosts.Host, asked int) {
	t.Helper()
	claims := `jsonpath={range .items[?(@.metadata.ownerReferences)]}{.metadata.name} {.spec.source.persistentVolumeClaimName}{"\n"}{end}`
	var members []string
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		members = strings.Split(strings.TrimSpace(h.Kubectl(t, "get", "volumesnapshots", "-o", claims)), "\n")
		if len(members) != 2 {
			return fmt.Errorf("the group has the members %v", members)
		}
		return nil
	})
	for _, member := range members {
		name, claim, _ := strings.Cut(member, " ")
		waitForSnapshot(t, h, "volumesnapshot/"+name)
		h.Apply(t, fmt.Sprintf(`
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: "of-%s"}
spec:
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 64Mi}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: %s}
`, claim, name))
		if last, _ := read(t, h, "of-"+claim); last < asked {
			t.Errorf("%d were acknowledged before the group; %s has %d", asked, claim, last)
		}
		h.Kubectl(t, "delete", "pod/reader-of-"+claim, "pvc/of-"+claim, "--wait")
	}
}

// tryImpossibleRestore asks for less than the snapshot needs: the claim says so.
func tryImpossibleRestore(t *testing.T, h *hosts.Host, restored string) {
	t.Helper()
	h.Apply(t, strings.NewReplacer("name: restored", "name: toosmall", "128Mi", "8Mi").Replace(restored))
	h.Apply(t, fmt.Sprintf(readerPod, "toosmall"))
	hosts.Eventually(t, 30*time.Second, func(context.Context) error {
		if events := h.Kubectl(t, "describe", "pvc", "toosmall"); !strings.Contains(events, "ask for as much at least") {
			return fmt.Errorf("the claim does not say why it has no volume: %s", events)
		}
		return nil
	})
	h.Kubectl(t, "delete", "pod/reader-toosmall", "pvc/toosmall", "--wait")
}

func noSnapshotLeft(t *testing.T, h *hosts.Host) {
	t.Helper()
	hosts.Eventually(t, 60*time.Second, func(context.Context) error {
		contents := h.Kubectl(t, "get", "volumesnapshotcontents,volumegroupsnapshotcontents", "-o", "name")
		left, err := filepath.Glob(filepath.Join(h.DataDir, "volumes", ".*-*"))
		if err == nil && (len(left) > 0 || contents != "") {
			err = fmt.Errorf("left of the snapshots: %v %s", left, contents)
		}
		return err
	})
}

// noRightMissing fails if the API refused something about snapshots.
func noRightMissing(t *testing.T, h *hosts.Host) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(h.DataDir, "log", "engine.log"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "is forbidden") && strings.Contains(line, "snapshot") {
			t.Errorf("a right is missing: %s", line)
		}
	}
}
