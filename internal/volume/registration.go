package volume

import (
	"path/filepath"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

// DriverName is the name of our CSI driver, in classes and in volumes.
const DriverName = v1alpha1.VolumeDriver

// RegistrationSocket is where kubelet is told of our driver: it watches the
// directory plugins_registry below its root.
func RegistrationSocket(kubeletDir string) string {
	return filepath.Join(kubeletDir, "plugins_registry", DriverName+"-reg.sock")
}
