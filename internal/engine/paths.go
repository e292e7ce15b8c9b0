package engine

import (
	"fmt"
	"os"
	"path/filepath"
)

// Paths is the layout of a data directory. Only root may look inside.
type Paths struct{ DataDir string }

// Kubeconfig is the administrator's kubeconfig, readable by root alone.
func (p Paths) Kubeconfig() string { return filepath.Join(p.DataDir, "kubeconfig") }

// ControlSocket is where a running engine answers `status` and `down`.
func (p Paths) ControlSocket() string { return filepath.Join(p.run(), "engine.sock") }

// Lock is held by the one engine that uses the directory.
func (p Paths) Lock() string { return filepath.Join(p.run(), "engine.lock") }

// Log is where an engine in the background writes.
func (p Paths) Log() string { return filepath.Join(p.DataDir, "log", "engine.log") }

// logOf is where a process writes that outlives the engine.
func (p Paths) logOf(name string) string { return filepath.Join(filepath.Dir(p.Log()), name+".log") }

// ContainerdSocket is the CRI socket of the engine's own containerd.
func (p Paths) ContainerdSocket() string { return filepath.Join(p.run(), "containerd.sock") }

// Pool is the directory from which the default StorageClass cuts volumes.
func (p Paths) Pool() string { return filepath.Join(p.DataDir, "volumes") }

// pools remembers which pools there were; those that are block devices are mounted
// in it.
func (p Paths) pools() string { return filepath.Join(p.DataDir, "pools") }

// KubectlCache is where kubectl remembers which kinds the API knows.
func (p Paths) KubectlCache() string { return filepath.Join(p.DataDir, "cache", "kubectl") }

// Kubelet is kubelet's root directory.
func (p Paths) Kubelet() string { return filepath.Join(p.DataDir, "kubelet") }

func (p Paths) csi() string                    { return filepath.Join(p.run(), "csi") }
func (p Paths) run() string                    { return filepath.Join(p.DataDir, "run") }
func (p Paths) pki() string                    { return filepath.Join(p.DataDir, "pki") }
func (p Paths) pkiFile(name string) string     { return filepath.Join(p.pki(), name) }
func (p Paths) etcd() string                   { return filepath.Join(p.DataDir, "etcd") }
func (p Paths) config() string                 { return filepath.Join(p.DataDir, "config") }
func (p Paths) configFile(name string) string  { return filepath.Join(p.config(), name) }
func (p Paths) containerd() string             { return filepath.Join(p.DataDir, "containerd") }
func (p Paths) containerdState() string        { return filepath.Join(p.run(), "containerd") }
func (p Paths) cniConfig() string              { return filepath.Join(p.config(), "cni") }
func (p Paths) cniState() string               { return filepath.Join(p.run(), "cni") }
func (p Paths) podLogs() string                { return filepath.Join(p.DataDir, "log", "pods") }
func (p Paths) kubeconfigOf(who string) string { return p.configFile(who + ".kubeconfig") }

// create makes the directories that the components expect to find.
func (p Paths) create() error {
	for _, dir := range []string{
		p.DataDir, p.run(), p.pki(), p.pkiFile("etcd"), p.config(), p.cniConfig(), p.containerd(),
		p.Kubelet(), p.flexVolumePlugins(), p.Pool(), filepath.Dir(p.Log()), p.podLogs(),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
	}
	// Containers of other users reach their volumes through these two.
	for _, dir := range []string{p.DataDir, p.Kubelet()} {
		if err := os.Chmod(dir, 0o711); err != nil {
			return fmt.Errorf("open %s to traversal: %w", dir, err)
		}
	}
	return nil
}

// flexVolumePlugins is where kubelet and the controllers look for FlexVolume drivers.
func (p Paths) flexVolumePlugins() string { return filepath.Join(p.Kubelet(), "flexvolume") }

// flexErrors takes what our FlexVolume driver cannot put into an answer.
func (p Paths) flexErrors() string { return filepath.Join(filepath.Dir(p.Log()), "flexvolume.stderr") }
