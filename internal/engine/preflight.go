package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/volume"
)

// need is a program that is called, with the Debian package that brings it, and
// whether a container runtime that runs already brings it.
type need struct {
	program, debianPackage string
	ofRuntime              bool
}

// needed are the programs that the engine calls.
var needed = []need{
	{"containerd", "containerd", true},
	{"ctr", "containerd", true},
	{"runc", "runc", true},
	{cniPlugins + "/ptp", "containernetworking-plugins", true},
	{"nft", "nftables", false},
	{"iptables", "iptables", false},
	{"conntrack", "conntrack", false},
	{pauseProgram, "catatonit", true},
	{"mount", "mount", false},
	{"mkfs.ext4", "e2fsprogs", false},
}

// minimumFree is how much room the data directory needs to start: below it etcd
// and the container runtime would soon fail half-way.
const minimumFree = 512 << 20

// Preflight looks whether an engine can start here, before anything is changed.
// Its error says what to do.
func Preflight(ctx context.Context, config Config) error {
	if config.Joined() {
		if err := checkIdentity(config, Paths{DataDir: config.DataDir}, time.Now()); err != nil {
			return err
		}
	}
	server := !config.Joined()
	if err := preflight(ctx, config, listeners(config, server, server && !config.Etcd.Configured())); err != nil {
		return err
	}
	return checkEtcd(ctx, config)
}

// PreflightJoin is Preflight for a machine that is about to join, as a node or as a
// further server: it has no identity yet.
func PreflightJoin(ctx context.Context, config Config, asServer bool) error {
	return preflight(ctx, config, listeners(config, asServer, false))
}

func preflight(ctx context.Context, config Config, addresses []string) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("mainstay runs containers with Linux's own means; this machine runs %s: use a Linux machine or a virtual one", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("mainstay needs root to run containers: try again with sudo")
	}
	// Its error says what matters; the log of the libraries would be noise.
	klog.SetLogger(klog.Logger{})
	defer klog.ClearLogger()
	for _, check := range []func(Config) error{checkFeatureGates, checkPrograms, checkRoom, checkDirectoryVersion, checkDirectory, checkName} {
		if err := check(config); err != nil {
			return err
		}
	}
	if err := checkPorts(config, addresses); err != nil {
		return err
	}
	if err := checkPools(ctx, config); err != nil {
		return err
	}
	return checkRuntime(ctx, config)
}

func checkPrograms(config Config) error {
	programs, packages := lacking(slices.DeleteFunc(slices.Clone(needed), func(n need) bool {
		return config.RuntimeEndpoint != "" && n.ofRuntime
	}))
	if len(programs) == 0 {
		return nil
	}
	return fmt.Errorf("this machine lacks %s: on Debian and Ubuntu, apt-get install %s",
		strings.Join(programs, ", "), strings.Join(packages, " "))
}

// lacking gives the programs that are not there, and what brings them.
func lacking(needed []need) (programs, packages []string) {
	for _, need := range needed {
		if _, err := exec.LookPath(need.program); err != nil {
			programs = append(programs, filepath.Base(need.program))
			if !slices.Contains(packages, need.debianPackage) {
				packages = append(packages, need.debianPackage)
			}
		}
	}
	return programs, packages
}

func checkName(config Config) error {
	if len(validation.IsDNS1123Subdomain(config.NodeName)) > 0 {
		return fmt.Errorf("%q cannot be a machine's name in a cluster: choose one of lower case letters, digits, dots and dashes with --node-name",
			config.NodeName)
	}
	return nil
}

// longestSocket is how many bytes the kernel admits in the path of a socket.
const longestSocket = 107

// checkDirectory refuses what some part could not spell in its configuration, or
// not listen in.
func checkDirectory(config Config) error {
	if strings.ContainsFunc(config.DataDir, unicode.IsSpace) || strings.ContainsAny(config.DataDir, "\"'\\{}") {
		return fmt.Errorf("%q cannot be a data directory: choose a --data-dir without spaces, quotes, backslashes and braces", config.DataDir)
	}
	socket := volume.RegistrationSocket(Paths{DataDir: config.DataDir}.Kubelet())
	if over := len(socket) - longestSocket; over > 0 {
		return fmt.Errorf("%s is %d bytes too long for the sockets below it: choose a shorter --data-dir", config.DataDir, over)
	}
	return nil
}

func checkRoom(config Config) error {
	directory := config.DataDir
	for {
		var space unix.Statfs_t
		err := unix.Statfs(directory, &space)
		if errors.Is(err, unix.ENOENT) && directory != "/" {
			directory = filepath.Dir(directory)
			continue
		}
		if err != nil {
			return fmt.Errorf("look how much room %s has: %w", directory, err)
		}
		if free := space.Bavail * uint64(space.Bsize); free < minimumFree {
			return fmt.Errorf("the disk of %s has %d MiB left and mainstay needs %d: make room, or choose another --data-dir",
				config.DataDir, free>>20, minimumFree>>20)
		}
		return nil
	}
}

func checkDirectoryVersion(config Config) error {
	return checkDataVersion(Paths{DataDir: config.DataDir})
}

// listeners are the addresses at which an engine's parts will listen.
func listeners(config Config, server, etcd bool) []string {
	addresses := []string{net.JoinHostPort(config.NodeIP.String(), strconv.Itoa(kubeletPort))}
	if server {
		addresses = append(addresses, net.JoinHostPort("", strconv.Itoa(APIPort)))
	} else {
		addresses = append(addresses, doorAddress)
	}
	if etcd {
		addresses = append(addresses,
			net.JoinHostPort("127.0.0.1", strconv.Itoa(etcdClientPort)),
			net.JoinHostPort("127.0.0.1", strconv.Itoa(etcdPeerPort)))
	}
	return addresses
}

func checkPorts(config Config, addresses []string) error {
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("this machine has no address %s: name one of its own with --node-ip (see them: ip -4 address)", config.NodeIP)
		}
		if err != nil {
			_, port, _ := net.SplitHostPort(address)
			return fmt.Errorf("port %s is taken by another program (see who: ss -ltnp 'sport = :%s'); "+
				"is another Kubernetes running on this machine? Stop it first", port, port)
		}
		listener.Close()
	}
	return nil
}
