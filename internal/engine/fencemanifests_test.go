package engine

import (
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apps "k8s.io/api/apps/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

var someFence = FenceObjects{Namespace: "there", StateDir: "/var/lib/fence", KubeletDir: "/var/lib/kubelet", KubeletHealth: DefaultKubeletHealth, HostNamespaces: "/proc/1/ns", Watchdog: "/dev/watchdog"}

func TestFenceObjects(t *testing.T) {
	without := []string{
		"Namespace mainstay-node-lease",
		"ClusterRole mainstay-fence-keeper", "ClusterRoleBinding mainstay-fence-keeper",
		"Role mainstay-node-lease/mainstay-fence-keeper", "RoleBinding mainstay-node-lease/mainstay-fence-keeper",
		"ClusterRole mainstay-fence-judge", "ClusterRoleBinding mainstay-fence-judge",
		"Role kube-system/mainstay-fence-judge-leases", "RoleBinding kube-system/mainstay-fence-judge-leases",
		"Role mainstay-node-lease/mainstay-fence-judge-leases", "RoleBinding mainstay-node-lease/mainstay-fence-judge-leases",
	}
	for _, policy := range []string{"mainstay-keepers", "mainstay-keepers-pods", "mainstay-keepers-nodes", "mainstay-judge", "mainstay-failover", "mainstay-pets"} {
		without = append(without, "ValidatingAdmissionPolicy "+policy, "ValidatingAdmissionPolicyBinding "+policy)
	}
	without = append(without, "ServiceAccount there/mainstay-fence-keeper", "ServiceAccount there/mainstay-fence-judge",
		"Secret there/mainstay-fence", "Role there/mainstay-fence-judge", "RoleBinding there/mainstay-fence-judge")
	keepers, judges := "DaemonSet there/mainstay-fence-keeper", "Deployment there/mainstay-fence-judge"
	for _, test := range []struct {
		image string
		leave bool
		want  []string
	}{
		{"", false, without},
		{"example/mainstay:1", false, append(slices.Clone(without), keepers, judges)},
		{"example/mainstay:1", true, append(slices.Clone(without), keepers)},
	} {
		o := someFence
		o.Image, o.Leave = test.image, test.leave
		objects, err := o.objects()
		if err != nil {
			t.Fatal(err)
		}
		if got := namesOf(objects); !slices.Equal(got, test.want) {
			t.Errorf("with image %q, leaving %v, there are\n%s\nnot\n%s", test.image, test.leave, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
		for _, object := range objects {
			checkSubjects(t, object.Object)
			if object.GetKind() == "DaemonSet" {
				checkKeepers(t, object.Object, test.leave)
			}
		}
	}
}

// checkSubjects: rights go to the two accounts, and to nobody else.
func checkSubjects(t *testing.T, object map[string]any) {
	t.Helper()
	binding := &rbac.RoleBinding{} // a ClusterRoleBinding is the same
	if kind := object["kind"].(string); !strings.HasSuffix(kind, "RoleBinding") {
		return
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, binding); err != nil {
		t.Fatal(err)
	}
	account := strings.TrimSuffix(binding.Name, "-leases")
	if want := []rbac.Subject{{Kind: "ServiceAccount", Namespace: "there", Name: account}}; !slices.Equal(binding.Subjects, want) {
		t.Errorf("%s is bound to %v", binding.Name, binding.Subjects)
	}
}

// checkKeepers: an update never leaves a node without a keeper, and paths are the node's.
func checkKeepers(t *testing.T, object map[string]any, leave bool) {
	t.Helper()
	set := &apps.DaemonSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, set); err != nil {
		t.Fatal(err)
	}
	if u := set.Spec.UpdateStrategy.RollingUpdate; u == nil || u.MaxSurge.IntValue() != 1 || u.MaxUnavailable.IntValue() != 0 {
		t.Errorf("keepers are updated by %+v", set.Spec.UpdateStrategy)
	}
	container := set.Spec.Template.Spec.Containers[0]
	if len(container.Ports) > 0 {
		t.Error("a port on the node's network keeps the next keeper away")
	}
	for i, v := range set.Spec.Template.Spec.Volumes {
		if v.Name == keeperVolume && v.EmptyDir != nil {
			continue
		}
		if mount := container.VolumeMounts[i]; mount.Name != v.Name || mount.MountPath != v.HostPath.Path {
			t.Errorf("%s of the node is %s in the container", v.HostPath.Path, mount.MountPath)
		}
	}
	want := "fence keeper --host-namespaces /proc/1/ns --state-dir /var/lib/fence --kubelet-dir /var/lib/kubelet --kubelet-health " + DefaultKubeletHealth + " --watchdog /dev/watchdog"
	if leave {
		want = "fence leave --stay --state-dir /var/lib/fence --kubelet-dir /var/lib/kubelet"
	}
	if got := strings.Join(container.Args, " "); got != want {
		t.Errorf("it runs %s", got)
	}
}

func TestFenceObjectsRefuse(t *testing.T) {
	for flag, change := range map[string]func(*FenceObjects){
		"--state-dir":       func(o *FenceObjects) { o.StateDir = "fence" },
		"--kubelet-dir":     func(o *FenceObjects) { o.KubeletDir = "" },
		"--kubelet-cgroup":  func(o *FenceObjects) { o.KubeletCgroup = "/system.slice" },
		"--kubelet-health":  func(o *FenceObjects) { o.KubeletHealth = "127.0.0.1:10248" },
		"--host-namespaces": func(o *FenceObjects) { o.HostNamespaces = "" },
		"--watchdog":        func(o *FenceObjects) { o.Watchdog = "watchdog" },
	} {
		o := someFence
		change(&o)
		if err := o.Print(io.Discard); err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
	}
	o := someFence
	o.KubeletCgroup = "/kubelet.slice/kubelet-kubepods.slice"
	if err := o.Print(io.Discard); err != nil {
		t.Errorf("with a cgroup root of systemd: %v", err)
	}
}

func TestFindKubeletCgroup(t *testing.T) {
	for _, test := range []struct {
		there []string
		want  string
	}{
		{[]string{"kubepods"}, "/kubepods"},
		{[]string{"kubepods.slice"}, "/kubepods.slice"},
		{[]string{"freezer/kubepods", "kubepods.slice.d"}, "/kubepods"},
		{[]string{"freezer/kubepods.slice"}, "/kubepods.slice"},
		{[]string{"freezer"}, ""},
		{[]string{"kubepods", "kubepods.slice"}, ""},
	} {
		mount := t.TempDir()
		for _, name := range test.there {
			if err := os.MkdirAll(filepath.Join(mount, name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		got, err := findKubeletCgroup(mount)
		if got != test.want || (err == nil) != (test.want != "") {
			t.Errorf("with %v it is %q (%v)", test.there, got, err)
		}
	}
}

func TestInstallProgram(t *testing.T) {
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "new", "to")
	install := func(content string) os.FileInfo {
		t.Helper()
		if err := os.WriteFile(from, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := installProgram(from, to); err != nil {
			t.Fatal(err)
		}
		there, err := os.Stat(to)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(to); string(got) != content || there.Mode() != 0o700 {
			t.Errorf("installed is %q, %v", got, there.Mode())
		}
		return there
	}
	first := install("one")
	if !os.SameFile(first, install("one")) {
		t.Error("it is another file, though the program is the same")
	}
	if os.SameFile(first, install("two")) {
		t.Error("a program that may run was written over")
	}
	if left, _ := os.ReadDir(filepath.Dir(to)); len(left) != 1 {
		t.Errorf("there are %v", left)
	}
}
