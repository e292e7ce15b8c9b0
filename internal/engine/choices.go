package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Choices are what a person says of an engine once. It remembers them, so that
// a plain `mainstay up` after that finds the same state and the same pods.
type Choices struct {
	// Server is where the cluster's API is, as https://host:port, on a machine that has
	// joined it; empty on the machine that holds the cluster itself.
	Server string `json:"server,omitempty"`
	// NodeAddress is the node's IPv4 address; empty means the machine's own.
	NodeAddress string `json:"nodeAddress,omitempty"`
	// RuntimeEndpoint is the CRI socket of a container runtime that runs
	// already, as unix:///path; empty means a containerd of our own.
	RuntimeEndpoint string `json:"runtimeEndpoint,omitempty"`
	// Etcd is an etcd cluster that runs already; empty means the embedded one.
	Etcd EtcdAccess `json:"etcd,omitzero"`
	// FeatureGates are Kubernetes', as NAME=true,NAME=false; empty means its defaults.
	FeatureGates string `json:"featureGates,omitempty"`
	// Pools are this machine's pools of volumes beside the default one: by their
	// names, the absolute paths of directories or of block devices.
	Pools map[string]string `json:"pools,omitempty"`
	// Watchdog is a device that resets this machine if its pets cannot be stopped; empty: none.
	Watchdog string `json:"watchdog,omitempty"`
}

// Joined tells that the cluster's state and its controllers are on another machine.
func (c Choices) Joined() bool { return c.Server != "" }

func (p Paths) choices() string { return p.configFile("choices.json") }

// RememberedChoices returns the choices with which the engine of a data directory
// was last started; none if it never was.
func RememberedChoices(dataDir string) (Choices, error) {
	var choices Choices
	file := Paths{DataDir: dataDir}.choices()
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return choices, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return choices, fmt.Errorf("only root may look into %s: try again with sudo", dataDir)
	}
	if err == nil {
		err = json.Unmarshal(content, &choices)
	}
	if err != nil {
		return choices, fmt.Errorf("read the choices of the last start in %s: %w", file, err)
	}
	return choices, nil
}

// remember must come before anything is written to the chosen etcd or runtime:
// an engine that is killed after that finds both again.
func (c Choices) remember(paths Paths) error {
	content, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(paths.choices(), append(content, '\n'))
}

// runtimeEndpoint is the CRI socket of the runtime that is used.
func (c Choices) runtimeEndpoint(paths Paths) string {
	if c.RuntimeEndpoint != "" {
		return c.RuntimeEndpoint
	}
	return "unix://" + paths.ContainerdSocket()
}

// etcd is how the etcd that is used is reached.
func (c Choices) etcd(paths Paths) EtcdAccess {
	if c.Etcd.Configured() {
		return c.Etcd
	}
	own := loopbackURL(etcdClientPort)
	return EtcdAccess{
		Servers: []string{own.String()}, CAFile: paths.pkiFile("etcd/ca.crt"),
		CertFile: paths.pkiFile("apiserver-etcd-client.crt"), KeyFile: paths.pkiFile("apiserver-etcd-client.key"),
	}
}
