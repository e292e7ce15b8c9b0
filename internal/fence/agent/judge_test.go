package agent

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/record"

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
			Terms: quickTerms(), Client: client, Leads: func() bool { return i == 0 }, Events: record.NewFakeRecorder(100),
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
func bind(t *testing.T, client kubernetes.Interface, node, name string, labels map[string]string) {
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
	pod := &core.Pod{ObjectMeta: object, Spec: core.PodSpec{
		NodeName: node, Containers: []core.Container{{Name: "c", Image: "c:1"}},
		Volumes: []core.Volume{{Name: "data", VolumeSource: core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: name}}}},
	}}
	_, err := client.CoreV1().PersistentVolumes().Create(ctx, volume, meta.CreateOptions{})
	if err == nil {
		_, err = client.StorageV1().VolumeAttachments().Create(ctx, attachment, meta.CreateOptions{})
	}
	if err == nil {
		_, err = client.CoreV1().Pods("default").Create(ctx, pod, meta.CreateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A node that is cut off loses its pets, and not before they stand still; what is no
// pet stays. It gets nothing back, and new ones when it is back.
func TestFailOver(t *testing.T) {
	access := apiserver.Start(t, enforceRights)
	members, signer := startMembers(t, access)
	client, lost := members[0].client, members[2]
	startJudges(t, access, signer, 2)
	leases := Leases{Client: client, Terms: quickTerms()}
	for _, m := range members {
		eventually(t, m.name+" runs its pet and knows all members", func() bool {
			return m.running() && len(leases.Read(t.Context(), m.name).Lease.Members) == len(members)
		})
	}
	bind(t, client, lost.name, "db-0", map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced})
	bind(t, client, lost.name, "web-0", nil)
	bind(t, client, members[1].name, "db-1", map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced})
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
		return err == nil && slices.Contains(node.Spec.Taints, outOfService)
	}
	before := leases.Read(t.Context(), lost.name).Lease

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
	if taken < quickTerms().Wait-2*quickTerms().Renew {
		t.Errorf("it was taken after %v, before its lease had surely run out", taken)
	}
	t.Logf("taken after %v", taken.Round(time.Millisecond))
	eventually(t, "its volume is released", func() bool { return !attached("db-0") })
	if !tainted() || !there("web-0") || !attached("web-0") || !there("db-1") || !attached("db-1") {
		t.Error("what is no pet was touched, or what another node has, or the node is not marked")
	}
	if now := leases.Read(t.Context(), lost.name).Lease; now.State != fence.Fenced || now.Epoch != before.Epoch+1 {
		t.Errorf("the lease is %+v, and was %+v", now, before)
	}

	lost.noAPI.Store(false)
	lost.noPeers.Store(false)
	eventually(t, "the node takes part again", func() bool { return lost.running() && !tainted() })

	t.Run("most nodes seem lost", func(t *testing.T) {
		for _, m := range members[1:] {
			m.noAPI.Store(true)
			m.noPeers.Store(true)
		}
		time.Sleep(3 * quickTerms().Wait)
		for _, m := range members[1:] {
			if lease := leases.Read(t.Context(), m.name).Lease; lease.State == fence.Fenced {
				t.Errorf("%s was fenced: %+v", m.name, lease)
			}
		}
		if !there("db-1") {
			t.Error("a pet was taken")
		}
	})
}

// The claims of other pods on the node are told from those of its pets.
func TestPetsAmong(t *testing.T) {
	claim := func(name string) core.Volume {
		return core.Volume{Name: name, VolumeSource: core.VolumeSource{PersistentVolumeClaim: &core.PersistentVolumeClaimVolumeSource{ClaimName: name}}}
	}
	pod := func(name string, pet bool, volumes ...core.Volume) core.Pod {
		p := core.Pod{ObjectMeta: meta.ObjectMeta{Namespace: "default", Name: name}, Spec: core.PodSpec{Volumes: volumes}}
		if pet {
			p.Labels = map[string]string{v1alpha1.FailoverLabel: v1alpha1.FailoverFenced}
		}
		return p
	}
	ephemeral := core.Volume{Name: "scratch", VolumeSource: core.VolumeSource{Ephemeral: &core.EphemeralVolumeSource{}}}
	pets, inUse := petsAmong([]core.Pod{
		pod("db-0", true, claim("data"), claim("shared")), pod("web", false, claim("shared"), ephemeral, core.Volume{Name: "empty"}), pod("db-1", true),
	})
	if len(pets) != 2 || pets[0].Name != "db-0" || pets[1].Name != "db-1" {
		t.Errorf("the pets are %v", pets)
	}
	if got := fmt.Sprint(inUse); got != "map[default/shared:true default/web-scratch:true]" {
		t.Errorf("in use by others are %v", got)
	}
}
