package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// needed are the programs that the engine calls, with the Debian package that
// brings each.
var needed = []struct{ program, debianPackage string }{
	{"containerd", "containerd"},
	{"ctr", "containerd"},
	{"runc", "runc"},
	{cniPlugins + "/ptp", "containernetworking-plugins"},
	{"nft", "nftables"},
	{"iptables", "iptables"},
	{"conntrack", "conntrack"},
	{pauseProgram, "catatonit"},
	{"mount", "mount"},
	{"mkfs.ext4", "e2fsprogs"},
}

// minimumFree is how much room the data directory needs to start: below it etcd
// and the container runtime would soon fail half-way.
const minimumFree = 512 << 20

// Preflight looks whether an engine can start here, before anything is changed.
// Its error says what to do.
func Preflight(config Config) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("mainstay runs containers with Linux's own means; this machine runs %s: use a Linux machine or a virtual one", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("mainstay needs root to run containers: try again with sudo")
	}
	for _, check := range []func(Config) error{checkPrograms, checkRoom, checkDirectoryVersion, checkPorts} {
		if err := check(config); err != nil {
			return err
		}
	}
	return nil
}

func checkPrograms(config Config) error {
	var programs, packages []string
	for _, need := range needed {
		own := need.debianPackage == "containerd" || need.debianPackage == "runc"
		if config.RuntimeEndpoint != "" && own {
			continue
		}
		if _, err := exec.LookPath(need.program); err != nil {
			programs = append(programs, filepath.Base(need.program))
			packages = append(packages, need.debianPackage)
		}
	}
	if len(programs) == 0 {
		return nil
	}
	return fmt.Errorf("this machine lacks %s: on Debian and Ubuntu, apt-get install %s",
		strings.Join(programs, ", "), strings.Join(packages, " "))
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

func checkPorts(config Config) error {
	addresses := []string{
		net.JoinHostPort("", strconv.Itoa(APIPort)),
		net.JoinHostPort(config.NodeIP.String(), strconv.Itoa(kubeletPort)),
	}
	if !config.Etcd.configured() {
		addresses = append(addresses,
			net.JoinHostPort("127.0.0.1", strconv.Itoa(etcdClientPort)),
			net.JoinHostPort("127.0.0.1", strconv.Itoa(etcdPeerPort)))
	}
	for _, address := range addresses {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			_, port, _ := net.SplitHostPort(address)
			return fmt.Errorf("port %s is taken by another program (see who: ss -ltnp 'sport = :%s'); "+
				"is another Kubernetes running on this machine? Stop it first", port, port)
		}
		listener.Close()
	}
	return nil
}
