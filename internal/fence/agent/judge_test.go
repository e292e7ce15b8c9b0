package agent

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/test/apiserver"
)

// startJudges runs as many, of which the first leads.
func startJudges(t *testing.T, access *rest.Config, signer authority, count int) {
	t.Helper()
	client, err := kubernetes.NewForConfig(asJudge(t, access))
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var group sync.WaitGroup
	t.Cleanup(func() { end(); group.Wait() })
	for i := range count {
		judge := &Judge{
			Terms: fence.DefaultTerms(), Client: client, Leads: func() bool { return i == 0 },
			Asker: Asker{Client: &http.Client{Transport: &http.Transport{TLSClientConfig: signer.tls(t, JudgeUser, nil)}}},
		}
		group.Go(func() {
			if err := judge.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// bind makes a pod on a node, with a claim whose volume is attached there.
func bind(t *testing.T, client kubernetes.Interface, node, name string, labels, annotations map[string]string) {
	t.Helper()
	ctx, object := t.Context(), meta.ObjectMeta{Name: name, Labels: labels}
	volume := &core.PersistentVolume{ObjectMeta: object, Spec: core.PersistentVolumeSpec{
		Capacity: core.ResourceList{core.ResourceStorage: resource.MustParse("1Gi")}, AccessModes: []core.PersistentVolumeAccessMode{core.ReadWriteOnce},
		PersistentVolumeSource: core.PersistentVolumeSource{CSI: &core.CSIPersistentVolumeSource{Driver: "disk.example.com", VolumeHandle: name}},
		ClaimRef:               &core.ObjectReference{Namespace: "default", Name: name},
	}}
	attachment := &storage.VolumeAttachment{ObjectMeta: object, Spec: storage.VolumeAttachmentSpec{
		Attacher: "disk.example.com", NodeName: node, Source: storage.VolumeAttachmentSource{PersistentVolumeName: &name},
	}}
	_, err := client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if err == nil {
		_, err = client.StorageV1().VolumeAttachments().Create(ctx, attachment, meta.CreateOptions{})
	}
	if err == nil {
		_, err = client.CoreV1().Pods("default").Create(ctx, podOf(node, name, labels, annotations), meta.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func podOf(node, name string, labels, annotations map[string]string) *core.Pod {
	yes := true
	set := meta.OwnerReference{APIVersion: "apps/v1", Kind: "StatefulSet", Name: name + "-set", UID: "s", Controller: &yes}
	return &core.Pod{ObjectMeta: meta.ObjectMeta{Name: name, Labels: labels, Annotations: annotations, OwnerReferences: []meta.OwnerReference{set}}, Spec: core.PodSpec{
		NodeName: node, Containers: []core.Container{{Name: "c", Image: "c:1"}},
		Volumes: []core.Volume{{Name: "data", VolumeSource: core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: name}}}},
	}}
}

// A node that is cut off loses its pets, and not before they stand still; what is no
// pet stays. It gets nothing back, and new ones when it is back.
func TestFailOver(t *testing.T) {
	access := apiserver.Start(t, enforceRights)
	members, signer := startMembers(t, access)
	client, lost := members[0].client, members[2]
	startJudges(t, access, signer, 2)
	leases := Leases{Client: client, Terms: fence.DefaultTerms()}
	for _, m := range members {
		eventually(t, m.name+" runs its pet and knows all members", func() bool {
			return m.running() && len(leases.Read(t.Context(), m.name).Lease.Members) == len(members)
		})
	}
	pet := map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced}
	bind(t, client, lost.name, "db-0", pet, nil)
	bind(t, client, lost.name, "late-0", pet, map[string]string{v1alpha1.FailoverAfterAnnotation: "2"})
	bind(t, client, lost.name, "web-0", nil, nil)
	bind(t, client, members[1].name, "db-1", pet, nil)
	mounts := func(change func(*core.Node)) string {
		node, err := client.CoreV1().Nodes().Get(t.Context(), lost.name, meta.GetOptions{})
		if err == nil && change != nil {
			change(node)
			node, err = client.CoreV1().Nodes().UpdateStatus(t.Context(), node, meta.UpdateOptions{})
		}
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(node.Status.VolumesInUse)
	}
	mounts(func(node *core.Node) {
		for _, name := range []string{"db-0", "late-0", "web-0"} {
			node.Status.VolumesInUse = append(node.Status.VolumesInUse, core.UniqueVolumeName("kubernetes.io/csi/disk.example.com^"+name))
		}
	})
	there := func(name string) bool {
		_, err := client.CoreV1().Pods("default").Get(t.Context(), name, meta.GetOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return err == nil
	}
	attached := func(name string) bool {
		_, err := client.StorageV1().VolumeAttachments().Get(t.Context(), name, meta.GetOptions{})
		return err == nil
	}
	tainted := func() bool {
		node, err := client.CoreV1().Nodes().Get(t.Context(), lost.name, meta.GetOptions{})
		return err == nil && slices.Contains(node.Spec.Taints, fencedTaint)
	}
	before := leases.Read(t.Context(), lost.name).Lease
	lead(t, client, "led-by-the-lost", lost.name, v1alpha1.LeaderNode)
	lead(t, client, "led-by-another", members[0].name, v1alpha1.LeaderNode)
	lead(t, client, "of-somebody-else", lost.name, "")

	cut := time.Now()
	lost.noAPI.Store(true)
	lost.noPeers.Store(true)
	for there("db-0") {
		if time.Since(cut) > 20*time.Second {
			t.Fatalf("its pet is not taken: %+v", leases.Read(t.Context(), lost.name))
		}
		time.Sleep(time.Millisecond)
	}
	taken := time.Since(cut)
	if lost.running() {
		t.Error("the pet was taken while it ran")
	}
	if taken < fence.DefaultTerms().Wait-2*fence.DefaultTerms().Renew {
		t.Errorf("it was taken after %v, before its lease had surely run out", taken)
	}
	t.Logf("taken after %v", taken.Round(time.Millisecond))
	if !there("late-0") || !attached("late-0") {
		t.Error("a pet that was to wait was taken")
	}
	eventually(t, "its volume is released", func() bool { return !attached("db-0") })
	if !tainted() || !there("web-0") || !attached("web-0") || !there("db-1") || !attached("db-1") {
		t.Error("what is no pet was touched, or what another node has, or the node is not marked")
	}
	eventually(t, "a pet that was to wait is taken, and its volume released", func() bool { return !there("late-0") && !attached("late-0") })
	if after := time.Since(cut); after < fence.DefaultTerms().Wait-2*fence.DefaultTerms().Renew+2*time.Second {
		t.Errorf("it was taken %v after the cut, sooner than 2 s after the node was fenced", after)
	}
	if inUse := mounts(nil); inUse != "[kubernetes.io/csi/disk.example.com^web-0]" {
		t.Errorf("the node has mounted, as far as the API knows, %s", inUse)
	}
	if now := leases.Read(t.Context(), lost.name).Lease; now.State != fence.Fenced || now.Epoch != before.Epoch+1 {
		t.Errorf("the lease is %+v, and was %+v", now, before)
	}

	if leads := leaders(t, client); leads != "led-by-another=node-0 led-by-the-lost= of-somebody-else=node-2" {
		t.Errorf("the leaders are %s", leads)
	}
	wantCondition(t, client, lost.name, v1alpha1.NodeFenced, core.ConditionTrue, "refuse it")
	replacement, err := client.CoreV1().Pods("default").Create(t.Context(), podOf(members[0].name, "db-0", pet, nil), meta.CreateOptions{})
	if err == nil {
		replacement.Status.Conditions = []core.PodCondition{{Type: core.PodReady, Status: core.ConditionTrue}}
		_, err = client.CoreV1().Pods("default").UpdateStatus(t.Context(), replacement, meta.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	wantTold(t, client, []string{"Recovered Pod/db-0"})

	lost.noAPI.Store(false)
	lost.noPeers.Store(false)
	eventually(t, "the node takes part again", func() bool { return lost.running() && !tainted() })
	wantCondition(t, client, lost.name, v1alpha1.NodeFenced, core.ConditionFalse, "")
	wantTold(t, client, []string{
		"LeaseLost Node/node-2: it has not renewed for", "Fenced Node/node-2: its lease ran out, and 2 of 3 members refuse it",
		"FailedOver Pod/db-0: node node-2 is fenced", "FailedOver StatefulSet/db-0-set: pod db-0 is started on another node",
		"VolumeReleased PersistentVolumeClaim/db-0: its volume is detached from node node-2", "Recovered Pod/db-0: Ready on node node-0",
		"LeaseAcquired Node/node-2: node node-2 takes part again",
	})
	wantTold(t, client, []string{"Fenced Node/node-2:", "FailedOver Pod/late-0:", "VolumeReleased PersistentVolumeClaim/late-0:", "LeaseAcquired Node/node-2:"})

	t.Run("most nodes seem lost", func(t *testing.T) {
		for _, m := range members[1:] {
			m.noAPI.Store(true)
			m.noPeers.Store(true)
		}
		time.Sleep(3 * fence.DefaultTerms().Wait)
		for _, m := range members[1:] {
			if lease := leases.Read(t.Context(), m.name).Lease; lease.State == fence.Fenced {
				t.Errorf("%s was fenced: %+v", m.name, lease)
			}
		}
		if !there("db-1") {
			t.Error("a pet was taken")
		}
		for _, m := range members[1:] {
			wantCondition(t, client, m.name, v1alpha1.NodeFenceHeld, core.ConditionTrue, "2 of 3 nodes seem lost")
			m.noAPI.Store(false)
			m.noPeers.Store(false)
		}
		wantTold(t, client, []string{"FenceHeld Node/node-1: 2 of 3 nodes seem lost"})
		wantTold(t, client, []string{"FenceHeld Node/node-2: 2 of 3 nodes seem lost"})
		for _, m := range members[1:] {
			wantCondition(t, client, m.name, v1alpha1.NodeFenceHeld, core.ConditionFalse, "")
		}
	})
}

// lead makes a Lease by which a part of a node leads.
func lead(t *testing.T, client kubernetes.Interface, name, node, label string) {
	t.Helper()
	lease := &coordination.Lease{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{v1alpha1.LeaderLabel: label}}, Spec: coordination.LeaseSpec{HolderIdentity: &node}}
	eventually(t, "Lease "+name+" is there", func() bool {
		_, err := client.CoordinationV1().Leases(meta.NamespaceSystem).Create(t.Context(), lease, meta.CreateOptions{})
		return err == nil // the namespace comes a moment after the API server
	})
}

// leaders gives the holders of those that the test has made.
func leaders(t *testing.T, client kubernetes.Interface) string {
	t.Helper()
	list, err := client.CoordinationV1().Leases(meta.NamespaceSystem).List(t.Context(), meta.ListOptions{LabelSelector: v1alpha1.LeaderLabel})
	if err != nil {
		t.Fatal(err)
	}
	var holders []string
	for _, lease := range list.Items {
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		holders = append(holders, lease.Name+"="+holder)
	}
	return strings.Join(holders, " ")
}

func wantCondition(t *testing.T, client kubernetes.Interface, node string, kind core.NodeConditionType, status core.ConditionStatus, message string) {
	t.Helper()
	eventually(t, fmt.Sprintf("node %s has condition %s %s: %s", node, kind, status, message), func() bool {
		n, err := client.CoreV1().Nodes().Get(t.Context(), node, meta.GetOptions{})
		return err == nil && slices.ContainsFunc(n.Status.Conditions, func(c core.NodeCondition) bool {
			return c.Type == kind && c.Status == status && strings.Contains(c.Message, message)
		})
	})
}

// wantTold waits for events that begin so. The times of the first of each must be in
// this order.
func wantTold(t *testing.T, client kubernetes.Interface, wanted []string) {
	t.Helper()
	var told []string
	for _, want := range wanted {
		eventually(t, "an event says "+want, func() bool {
			list, err := client.CoreV1().Events("").List(t.Context(), meta.ListOptions{FieldSelector: "reportingComponent=" + v1alpha1.FenceReporter})
			if err != nil {
				return false
			}
			slices.SortFunc(list.Items, func(a, b core.Event) int { return a.EventTime.Compare(b.EventTime.Time) })
			told = nil
			for _, e := range list.Items {
				told = append(told, fmt.Sprintf("%s %s/%s: %s", e.Reason, e.InvolvedObject.Kind, e.InvolvedObject.Name, e.Message))
			}
			return slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, want) })
		})
	}
	last := -1
	for _, want := range wanted {
		at := slices.IndexFunc(told, func(s string) bool { return strings.HasPrefix(s, want) })
		if at < last {
			t.Errorf("not in the order of %v:\n%s", wanted, strings.Join(told, "\n"))
			return
		}
		last = at
	}
}
