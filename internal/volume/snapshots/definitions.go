package snapshots

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"

	groupsnapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumegroupsnapshot/v1"
	snapshot "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	snapshotscheme "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned/scheme"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// Upstream's controllers look for their kinds in the scheme that all clients of
// the process share, to write events about them. It must know them before
// anything uses it.
var _ = func() error { return snapshotscheme.AddToScheme(scheme.Scheme) }()

// ClassName is the name of the default classes of snapshots and of groups.
const ClassName = "mainstay"

//go:embed crd/*.yaml
var definitionFiles embed.FS

// Definitions gives upstream's definitions of the kinds, as `make generate` took
// them from upstream's module.
func Definitions() ([]*unstructured.Unstructured, error) {
	files, err := fs.Glob(definitionFiles, "crd/*.yaml")
	if err != nil {
		return nil, err
	}
	var definitions []*unstructured.Unstructured
	for _, file := range files {
		text, err := definitionFiles.ReadFile(file)
		if err != nil {
			return nil, err
		}
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(bytes.TrimSpace(text), &definition.Object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		delete(definition.Object, "status") // that is the API server's own
		definitions = append(definitions, definition)
	}
	return definitions, nil
}

// Classes are the classes of snapshots and groups that name none. Deleting a
// snapshot deletes its data.
func Classes() []runtime.Object {
	return []runtime.Object{
		&snapshot.VolumeSnapshotClass{
			TypeMeta: meta.TypeMeta{APIVersion: snapshot.SchemeGroupVersion.String(), Kind: "VolumeSnapshotClass"},
			ObjectMeta: meta.ObjectMeta{
				Name:        ClassName,
				Annotations: map[string]string{"snapshot.storage.kubernetes.io/is-default-class": "true"},
			},
			Driver:         volume.DriverName,
			DeletionPolicy: snapshot.VolumeSnapshotContentDelete,
		},
		&groupsnapshot.VolumeGroupSnapshotClass{
			TypeMeta: meta.TypeMeta{APIVersion: groupsnapshot.SchemeGroupVersion.String(), Kind: "VolumeGroupSnapshotClass"},
			ObjectMeta: meta.ObjectMeta{
				Name:        ClassName,
				Annotations: map[string]string{"groupsnapshot.storage.kubernetes.io/is-default-class": "true"},
			},
			Driver:         volume.DriverName,
			DeletionPolicy: snapshot.VolumeSnapshotContentDelete,
		},
	}
}
