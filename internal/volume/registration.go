package volume

import "path/filepath"

// DriverName is the name of our CSI driver, in classes and in volumes.
const DriverName = "volume.mainstay.dev"

// RegistrationSocket is where kubelet is told of our driver: it watches the
// directory plugins_registry below its root.
func RegistrationSocket(kubeletDir string) string {
	return filepath.Join(kubeletDir, "plugins_registry", DriverName+"-reg.sock")
}
