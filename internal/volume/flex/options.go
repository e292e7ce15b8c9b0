package flex

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/mainstay-io/mainstay/internal/volume"
	"github.com/mainstay-io/mainstay/internal/volume/qos"
)

// The keys that kubelet adds to a volume's own options. The API server lets no
// user write options with this prefix.
const (
	kubernetesPrefix = "kubernetes.io/"
	secretPrefix     = kubernetesPrefix + "secret/"
	fsTypeKey        = kubernetesPrefix + "fsType"
	readWriteKey     = kubernetesPrefix + "readwrite"
	volumeNameKey    = kubernetesPrefix + "pvOrVolumeName"
	podNamespaceKey  = kubernetesPrefix + "pod.namespace"
)

// The options that a user may write, beside those of qos.Names.
const (
	volumeOption = "volume"
	sizeOption   = "size"
	poolOption   = volume.PoolParameter
)

// request is a volume as a pod wants it.
type request struct {
	// pool is the name of the volume's pool.
	pool string
	// spec is what to make the volume with. RequiredBytes is 0, and FileSystem
	// empty, where the user said nothing.
	spec volume.Spec
	// quality is what the user says of the volume's quality of service; what is
	// absent stays as it is.
	quality  map[string]string
	readOnly bool
}

// readRequest reads the options that kubelet passes to mount: the user's and its
// own. Errors never hold a value that could be a secret.
func readRequest(text string) (request, error) {
	var options map[string]string
	if err := json.Unmarshal([]byte(text), &options); err != nil {
		return request{}, fmt.Errorf("the options are not a JSON object of strings: %w", err)
	}
	if err := refuseUnknown(options); err != nil {
		return request{}, err
	}
	name, err := poolName(options)
	if err != nil {
		return request{}, err
	}
	var size int64
	if text, said := options[sizeOption]; said {
		if size, err = readSize(text); err != nil {
			return request{}, err
		}
	}
	fs, err := readFileSystem(options[fsTypeKey], options[volume.BackendParameter])
	if err != nil {
		return request{}, err
	}
	readOnly, err := readReadOnly(options[readWriteKey])
	if err != nil {
		return request{}, err
	}
	class := qualityOf(options)
	quality, err := qos.Parameters{}.With(class)
	if err != nil {
		return request{}, err
	}
	return request{pool: volume.PoolOf(options), quality: class, readOnly: readOnly, spec: volume.Spec{
		Name: name, RequiredBytes: size, FileSystem: fs, Quality: quality,
		Claim: options[podNamespaceKey] + "/" + userName(options),
	}}, nil
}

func refuseUnknown(options map[string]string) error {
	known := append([]string{volumeOption, sizeOption, poolOption, volume.BackendParameter}, qos.Names()...)
	for _, key := range slices.Sorted(maps.Keys(options)) {
		switch {
		case strings.HasPrefix(key, secretPrefix):
			return errors.New("this driver takes no secrets: remove secretRef from the volume")
		case strings.HasPrefix(key, kubernetesPrefix), slices.Contains(known, key):
		case key == "fsType":
			return errors.New("fsType is no option: write it beside driver, as a field of flexVolume")
		default:
			return fmt.Errorf("there is no option %q; there are %s", key, strings.Join(known, ", "))
		}
	}
	return nil
}

// userName is the volume's name as its user knows it.
func userName(options map[string]string) string {
	if name, said := options[volumeOption]; said {
		return name
	}
	return options[volumeNameKey]
}

// poolName is the volume's name in the pool. Whoever may create pods may name any
// volume, and kubelet does not tell whether a person or an administrator's
// PersistentVolume did so. So each namespace has names of its own, and none
// reaches another's data, nor that of claims that CSI serves.
func poolName(options map[string]string) (string, error) {
	namespace, name := options[podNamespaceKey], userName(options)
	if namespace == "" {
		return "", fmt.Errorf("the options lack %s, which kubelet passes", podNamespaceKey)
	}
	if name == "" {
		return "", fmt.Errorf("the volume has no name: give it one with the option %s", volumeOption)
	}
	// A namespace has no dots, so no two pairs make one name.
	return "flex." + namespace + "." + name, nil
}

// readSize gives the bytes that a quantity stands for, within what a volume can have.
func readSize(text string) (int64, error) {
	size, err := resource.ParseQuantity(text)
	if err != nil {
		return 0, fmt.Errorf("size %q is no quantity; write it as 500Mi or 10Gi", text)
	}
	if size.Sign() <= 0 || size.CmpInt64(volume.MaxSize) > 0 {
		return 0, fmt.Errorf("size %s cannot be had: a volume has between 1 and %d bytes", text, volume.MaxSize)
	}
	return size.Value(), nil
}

// readFileSystem: an empty type stands for whatever the volume has.
func readFileSystem(fsType, backend string) (volume.FileSystem, error) {
	directory, err := volume.IsDirectory(backend)
	switch {
	case err != nil:
		return "", err
	case directory && fsType != "":
		return "", fmt.Errorf("a directory has the file system of its pool, and fsType asks for %s; remove it, or the option %s", fsType, volume.BackendParameter)
	case directory:
		return volume.Directory, nil
	}
	switch fs := volume.FileSystem(fsType); fs {
	case "", volume.Ext4, volume.XFS:
		return fs, nil
	}
	return "", fmt.Errorf("file system %q is not served; use ext4 or xfs", fsType)
}

func readReadOnly(mode string) (bool, error) {
	switch mode {
	case "ro":
		return true, nil
	case "rw":
		return false, nil
	}
	return false, fmt.Errorf("%s is %q; kubelet passes ro or rw", readWriteKey, mode)
}

// qualityOf gives those of the options that are about quality of service.
func qualityOf(options map[string]string) map[string]string {
	class := map[string]string{}
	for _, name := range qos.Names() {
		if value, said := options[name]; said {
			class[name] = value
		}
	}
	return class
}
