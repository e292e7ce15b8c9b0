package engine

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/driver"
	"github.com/mainstay-io/mainstay/internal/volume/snapshots"
)

// The names of the driver's and the snapshot controller's workload and account.
const (
	volumeDriverName       = "mainstay-volume-driver"
	snapshotControllerName = "mainstay-snapshot-controller"
)

// VolumeDriverObjects says how VolumeDriver is to run on a Kubernetes.
type VolumeDriverObjects struct {
	// Namespace for what is not cluster-wide. It must exist.
	Namespace string
	// Image must have this program as its entry point. Empty: nothing runs.
	Image string
	// KubeletDir and PoolDir are those of each node; see VolumeDriver.
	KubeletDir, PoolDir string
	// Snapshots: also the kinds of VolumeSnapshots, and SnapshotController.
	Snapshots bool
}

// Print writes, as YAML, what a Kubernetes needs to have Mainstay's volumes.
func (o VolumeDriverObjects) Print(to io.Writer) error {
	objects, err := o.objects()
	if err != nil {
		return err
	}
	return printObjects(to, objects)
}

func (o VolumeDriverObjects) objects() ([]*unstructured.Unstructured, error) {
	if err := errors.Join(checkNodePath("--kubelet-dir", o.KubeletDir), checkNodePath("--pool-dir", o.PoolDir)); err != nil {
		return nil, err
	}
	definition, err := definitionObject(v1alpha1.PoolDefinition)
	if err != nil {
		return nil, err
	}
	objects := []*unstructured.Unstructured{definition}
	own := []runtime.Object{driver.CSIDriver()}
	own = append(own, o.roleOf(volumeRole, volumeDriverName, driver.Rules())...)
	own = append(own, o.classes()...)
	if o.Snapshots {
		definitions, err := snapshots.Definitions()
		if err != nil {
			return nil, err
		}
		objects = append(objects, definitions...)
		own = append(own, o.roleOf(snapshotRole, snapshotControllerName, snapshots.ControllerRules())...)
	}
	typed, err := unstructuredObjects(own)
	if err != nil {
		return nil, err
	}
	install, err := installObjects("volume-driver.yaml", map[string]any{
		"Namespace": quoted(o.Namespace), "Image": quoted(o.Image), "Snapshots": o.Snapshots,
		"KubeletDir": quoted(o.KubeletDir), "PoolDir": quoted(o.PoolDir),
	})
	return slices.Concat(objects, typed, install), err
}

// roleOf gives an account of the namespace these rights in the whole cluster.
func (o VolumeDriverObjects) roleOf(role, account string, rules []rbac.PolicyRule) []runtime.Object {
	objects := bindTo(accountOf(o.Namespace, account), roleOf(role, rules))
	objects[1].(*rbac.ClusterRoleBinding).Name = account
	return objects
}

// classes are those that ship. Which one claims get that name none is for the
// cluster's owner to say.
func (o VolumeDriverObjects) classes() []runtime.Object {
	class := driver.StorageClass()
	class.Annotations = nil
	objects := []runtime.Object{class}
	for _, attributes := range driver.AttributesClasses() {
		objects = append(objects, attributes)
	}
	return objects
}

// checkNodePath refuses what cannot be mounted into a container.
func checkNodePath(flag, path string) error {
	if !filepath.IsAbs(path) || path != filepath.Clean(path) || path == "/" || strings.ContainsAny(path, ":\n") {
		return fmt.Errorf("%s %q: write an absolute path of a directory on the nodes, such as /var/lib/mainstay/volumes", flag, path)
	}
	return nil
}
