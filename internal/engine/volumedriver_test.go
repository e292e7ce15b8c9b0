package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	apps "k8s.io/api/apps/v1"
	authorization "k8s.io/api/authorization/v1"
	rbac "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	discovery "k8s.io/client-go/discovery/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

var someVolumeDriver = VolumeDriverObjects{Namespace: "there", KubeletDir: "/var/lib/kubelet", PoolDir: "/srv/volumes"}

func TestVolumeDriverObjects(t *testing.T) {
	without := []string{
		"CustomResourceDefinition pools.mainstay.dev",
		"CSIDriver volume.mainstay.dev", "ClusterRole mainstay:volume", "ClusterRoleBinding mainstay-volume-driver", "StorageClass mainstay",
		"VolumeAttributesClass guaranteed-high", "VolumeAttributesClass guaranteed-medium", "VolumeAttributesClass best-effort",
		"ServiceAccount there/mainstay-volume-driver",
	}
	ofSnapshots := []string{
		"CustomResourceDefinition volumesnapshots.snapshot.storage.k8s.io",
		"CustomResourceDefinition volumegroupsnapshots.groupsnapshot.storage.k8s.io",
		"ClusterRole mainstay:snapshot", "ClusterRoleBinding mainstay-snapshot-controller", "ServiceAccount there/mainstay-snapshot-controller",
		"Role there/mainstay-snapshot-controller", "RoleBinding there/mainstay-snapshot-controller",
	}
	for _, test := range []struct {
		image     string
		snapshots bool
		want      []string
	}{
		{"", false, without},
		{"", true, slices.Concat(without, ofSnapshots)},
		{"example/mainstay:1", false, append(slices.Clone(without), "DaemonSet there/mainstay-volume-driver")},
		{"example/mainstay:1", true, slices.Concat(without, ofSnapshots,
			[]string{"DaemonSet there/mainstay-volume-driver", "Deployment there/mainstay-snapshot-controller"})},
	} {
		o := someVolumeDriver
		o.Image, o.Snapshots = test.image, test.snapshots
		objects, err := o.objects()
		if err != nil {
			t.Fatal(err)
		}
		// Of upstream's kinds two stand for all.
		got := slices.DeleteFunc(namesOf(objects), func(name string) bool {
			return strings.Contains(name, "snapshot.storage") && !slices.Contains(test.want, name)
		})
		slices.Sort(got)
		slices.Sort(test.want)
		if !slices.Equal(got, test.want) {
			t.Errorf("with image %q and snapshots %v there are\n%s\nnot\n%s", test.image, test.snapshots, strings.Join(got, "\n"), strings.Join(test.want, "\n"))
		}
	}
}

// The driver may do what it says that it needs, and nothing else; no class of ours
// becomes the default of somebody's cluster.
func TestVolumeDriverIsModest(t *testing.T) {
	objects, err := someVolumeDriver.objects()
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		switch object.GetKind() {
		case "ClusterRole":
			role := &rbac.ClusterRole{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, role); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(role.Rules, driver.Rules()) {
				t.Errorf("the role %s has the rules %v", role.Name, role.Rules)
			}
		case "ClusterRoleBinding":
			binding := &rbac.ClusterRoleBinding{}
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, binding); err != nil {
				t.Fatal(err)
			}
			want := []rbac.Subject{{Kind: "ServiceAccount", Namespace: "there", Name: "mainstay-volume-driver"}}
			if !slices.Equal(binding.Subjects, want) {
				t.Errorf("the role is bound to %v", binding.Subjects)
			}
		case "StorageClass":
			if annotations := object.GetAnnotations(); len(annotations) > 0 {
				t.Errorf("the class has annotations %v", annotations)
			}
		}
	}
}

// What kubelet tells the driver of are paths of the node, and the kernel shows
// paths of the container: both must be the same.
func TestVolumeDriverHasThePathsOfTheNode(t *testing.T) {
	o := someVolumeDriver
	o.Image = "example/mainstay:1"
	objects, err := o.objects()
	if err != nil {
		t.Fatal(err)
	}
	set := &apps.DaemonSet{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[len(objects)-1].Object, set); err != nil {
		t.Fatal(err)
	}
	spec, container := set.Spec.Template.Spec, set.Spec.Template.Spec.Containers[0]
	ofNode := map[string]string{}
	for _, v := range spec.Volumes {
		ofNode[v.Name] = v.HostPath.Path
	}
	var mounted []string
	for _, m := range container.VolumeMounts {
		if ofNode[m.Name] != m.MountPath {
			t.Errorf("%s of the node is %s in the container", ofNode[m.Name], m.MountPath)
		}
		mounted = append(mounted, m.MountPath)
	}
	if want := []string{"/var/lib/kubelet", "/srv/volumes", "/dev", "/sys", "/sys/fs/cgroup"}; !slices.Equal(mounted, want) {
		t.Errorf("it has %v of the node, not %v", mounted, want)
	}
	if spec.HostPID || spec.HostNetwork || spec.HostIPC {
		t.Error("it shares more of the node than its files")
	}
}

func TestVolumeDriverObjectsRefuseBadPaths(t *testing.T) {
	for _, path := range []string{"", "/", "volumes", "/srv/../volumes", "/srv/volumes/", "/a:b", "/a\nb"} {
		o := someVolumeDriver
		o.PoolDir = path
		if err := o.Print(io.Discard); err == nil || !strings.Contains(err.Error(), "--pool-dir") {
			t.Errorf("the pool %q: %v", path, err)
		}
	}
}

func TestCheckKubeletDir(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: makes mounts")
	}
	dir := filepath.Join(t.TempDir(), "kubelet")
	check := func(when, want string) {
		t.Helper()
		if err := checkKubeletDir(dir); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v", when, err)
		}
	}
	check("without it", "--kubelet-dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	check("on the node itself", "")
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer unix.Unmount(dir, unix.MNT_DETACH) //nolint:errcheck // the test ends
	for _, propagation := range []struct {
		when, want string
		flag       uintptr
	}{
		{"mountPropagation None", "mountPropagation: Bidirectional", unix.MS_PRIVATE},
		{"mountPropagation Bidirectional", "", unix.MS_SHARED},
		{"mountPropagation HostToContainer", "mountPropagation: Bidirectional", unix.MS_SLAVE},
	} {
		if err := unix.Mount("", dir, "", propagation.flag, ""); err != nil {
			t.Fatal(err)
		}
		check(propagation.when, propagation.want)
	}
}

func TestCheckVolumeCluster(t *testing.T) {
	attributes := &metav1.APIResourceList{GroupVersion: "storage.k8s.io/v1", APIResources: []metav1.APIResource{{Kind: "VolumeAttributesClass"}}}
	pools := &metav1.APIResourceList{GroupVersion: "mainstay.dev/v1alpha1", APIResources: []metav1.APIResource{{Kind: "Pool"}}}
	for _, test := range []struct {
		name  string
		kinds []*metav1.APIResourceList
		may   func(*authorization.ResourceAttributes) bool
		want  string
	}{
		{"an old Kubernetes", []*metav1.APIResourceList{pools}, anything, "needs Kubernetes 1.34"},
		{"without Pools", []*metav1.APIResourceList{attributes}, anything, howToInstallVolumes},
		{"all is there", []*metav1.APIResourceList{attributes, pools}, anything, ""},
		{"no snapshots are allowed", []*metav1.APIResourceList{attributes, pools},
			func(a *authorization.ResourceAttributes) bool { return !strings.Contains(a.Group, "snapshot") }, ""},
		{"no claims are allowed", []*metav1.APIResourceList{attributes, pools},
			func(a *authorization.ResourceAttributes) bool {
				return a.Resource != "persistentvolumeclaims" || a.Subresource != ""
			},
			"get, list, watch, update persistentvolumeclaims in all namespaces\nBind its account to the role mainstay:volume"},
	} {
		t.Run(test.name, func(t *testing.T) {
			client := fake.NewClientset()
			client.Discovery().(*discovery.FakeDiscovery).Resources = test.kinds
			client.PrependReactor("create", "selfsubjectaccessreviews", func(action clienttesting.Action) (bool, runtime.Object, error) {
				review := action.(clienttesting.CreateAction).GetObject().(*authorization.SelfSubjectAccessReview)
				review.Status.Allowed = test.may(review.Spec.ResourceAttributes)
				return true, review, nil
			})
			err := checkVolumeCluster(context.Background(), client, "https://there")
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("it says %v", err)
			}
		})
	}
}

func anything(*authorization.ResourceAttributes) bool { return true }

func TestServeHealth(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	problem := errors.New("no Pools")
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- serveHealth(ctx, address, func() error { return problem }) }()
	ask := func(path string) (status int, text string) {
		for {
			answer, err := http.Get("http://" + address + path)
			if errors.Is(err, unix.ECONNREFUSED) {
				continue // not yet
			}
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			return answer.StatusCode, strings.TrimSpace(string(body))
		}
	}
	if status, text := ask("/readyz"); status != http.StatusServiceUnavailable || text != "no Pools" {
		t.Errorf("/readyz is %d: %s", status, text)
	}
	if status, text := ask("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz is %d: %s", status, text)
	}
	problem = nil
	if status, text := ask("/readyz"); status != http.StatusOK {
		t.Errorf("without a problem, /readyz is %d: %s", status, text)
	}
	stop()
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		t.Error(err)
	}
}
