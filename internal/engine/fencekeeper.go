package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
	"github.com/mainstay-io/mainstay/internal/fence/identity"
)

// DefaultKubeletHealth is where kubelet tells whether it works, unless it is told otherwise.
const DefaultKubeletHealth = "http://127.0.0.1:10248/healthz"

// FenceKeeper is the keeper by itself, on one node of a Kubernetes that is not ours.
type FenceKeeper struct {
	// Kubeconfig says which Kubernetes; empty in a pod, for the one around it.
	Kubeconfig string
	// NodeName is the node's name in that Kubernetes, and NodeIP its address there.
	NodeName string
	NodeIP   net.IP
	// StateDir is a directory of the node. In a container it has the same path.
	StateDir string
	// KubeletCgroup is the cgroup of all pods; empty: kubelet's usual one.
	KubeletCgroup string
	// KubeletDir is kubelet's root directory on the node.
	KubeletDir string
	// KubeletHealth is the URL that kubelet answers when it works.
	KubeletHealth string
	// HostNamespaces is the directory of the namespaces of a process of the node; empty:
	// this is one.
	HostNamespaces string
	// Watchdog is a device of the node that resets it if its pets cannot be stopped; empty: none.
	Watchdog string
}

// Run keeps the node's lease until ctx ends. The pets go on then for as long as it
// lasts, and the next keeper resumes it.
func (k FenceKeeper) Run(ctx context.Context) error {
	switch {
	case k.NodeName == "":
		return errors.New("on which node? Say --node-name NAME, or set NODE_NAME (in a pod: by a fieldRef to spec.nodeName)")
	case k.NodeIP == nil:
		return errors.New("where do other nodes reach this one? Say --node-ip ADDRESS, or set NODE_IP (in a pod: by a fieldRef to status.hostIP)")
	}
	if err := k.findNode(); err != nil {
		return err
	}
	client, err := impatientAccess(k.Kubeconfig, fenceKeeperName)
	if err != nil {
		return err
	}
	if err := installProgram("/proc/self/exe", k.program()); err != nil {
		return fmt.Errorf("put the program where it outlives this process: %w", err)
	}
	// Of two keepers, as in an update, one works, and the other takes over at once.
	release, err := k.lock(ctx)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	defer release()
	if k.dir().Armed() {
		// After a reboot whatever kubelet has started of the pets waits for the lease.
		if err := ensureExecutioner(ctx, k.executioner(), k.dir()); err != nil {
			klog.FromContext(ctx).Error(err, "The executioner does not run")
		}
	} else if err := k.waitFit(ctx, client); err != nil {
		return err
	}
	member, err := identity.Obtain(ctx, client, k.NodeName, k.NodeIP, k.StateDir)
	if err != nil {
		return ignoreEnd(ctx, err)
	}
	return k.keep(ctx, client, member)
}

// keep begins again when something fails: kubelet would wait longer and longer before
// it starts a container again.
func (k FenceKeeper) keep(ctx context.Context, client kubernetes.Interface, member *identity.Member) error {
	terms := fence.DefaultTerms()
	machine, err := k.dir().Machine()
	if err != nil {
		return err
	}
	server, asker, err := member.TLS()
	if err != nil {
		return err
	}
	node := agent.Node{
		Terms: terms, Name: k.NodeName, Machine: machine, Address: k.NodeIP, Dir: k.dir(),
		Leases: agent.Leases{Client: client, Terms: terms},
		Pets:   agent.Pets{Client: client, Node: k.NodeName, Halt: k.pods(), Spared: k.dir().Spared()},
		Server: server, Asker: impatientAsker(asker),
		Alive:       k.kubeletWorks,
		Executioner: func(ctx context.Context) error { return ensureExecutioner(ctx, k.executioner(), k.dir()) },
	}
	for ctx.Err() == nil {
		if err := node.Run(ctx); err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(err, "The keeper begins again")
			time.Sleep(tryAgain)
		}
	}
	return nil
}

func (k FenceKeeper) dir() agent.Dir  { return fenceDir(k.StateDir) }
func (k FenceKeeper) pods() halt.Pods { return halt.Of("/sys/fs/cgroup", k.KubeletCgroup) }

// findNode checks what is said of the node, and finds what is not.
func (k *FenceKeeper) findNode() error {
	if os.Geteuid() != 0 {
		return errors.New("pods are stopped and allowed by root alone: run this as root")
	}
	if err := errors.Join(checkNodePath("--state-dir", k.StateDir), checkNodePath("--kubelet-dir", k.KubeletDir), checkKubeletCgroup(k.KubeletCgroup), checkKubeletHealth(k.KubeletHealth), checkWatchdogPath(k.Watchdog)); err != nil {
		return err
	}
	if k.KubeletCgroup != "" {
		return nil
	}
	found, err := findKubeletCgroup("/sys/fs/cgroup")
	k.KubeletCgroup = found
	return err
}

// waitFit returns when nothing speaks against that this node becomes a part of the
// fence. Once it is one, its pets do not run without a lease.
func (k FenceKeeper) waitFit(ctx context.Context, client kubernetes.Interface) error {
	told := ""
	err := wait.PollUntilContextCancel(ctx, time.Second, true, func(ctx context.Context) (bool, error) {
		err := k.fit(ctx, client)
		if err != nil && err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Info("This node does not become a part of the fence yet", "reason", told)
		}
		return err == nil, nil
	})
	return ignoreEnd(ctx, err)
}

func (k FenceKeeper) fit(ctx context.Context, client kubernetes.Interface) error {
	if !k.kubeletWorks(ctx) {
		return fmt.Errorf("kubelet does not tell at %s that it works: if it tells elsewhere, say --kubelet-health", k.KubeletHealth)
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Name: k.NodeName}}
	_, err := client.CoordinationV1().Leases(agent.Namespace).Create(ctx, lease, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("this keeper may not write the lease of node %s (it needs Kubernetes 1.32 or later, and what `mainstay fence manifests` prints): %w", k.NodeName, err)
	}
	return nil
}

func (k FenceKeeper) kubeletWorks(ctx context.Context) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.KubeletHealth, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// findKubeletCgroup: kubelet's two ways to make cgroups name it differently.
func findKubeletCgroup(mount string) (string, error) {
	var found []string
	for _, name := range []string{"/kubepods", "/kubepods.slice"} {
		for _, hierarchy := range []string{"", "freezer"} {
			if s, err := os.Stat(filepath.Join(mount, hierarchy, name)); err == nil && s.IsDir() {
				found = append(found, name)
			}
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("the cgroup of all pods may be %v: say --kubelet-cgroup /kubepods or /kubepods.slice, as kubelet's cgroup driver makes it", found)
	}
	return found[0], nil
}

// lock waits until no other keeper works on this node.
func (k FenceKeeper) lock(ctx context.Context) (release func(), err error) {
	file, err := os.OpenFile(filepath.Join(k.StateDir, "keeper.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	told := false
	err = wait.PollUntilContextCancel(ctx, 5*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if errors.Is(err, unix.EWOULDBLOCK) {
			if !told {
				klog.FromContext(ctx).Info("Another keeper works on this node; waiting for its end")
				told = true
			}
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		file.Close()
		return nil, err
	}
	return func() { file.Close() }, nil
}

// ignoreEnd: it is no error that somebody ended this.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// impatientAccess reaches the Kubernetes of a kubeconfig, or that around this pod.
func impatientAccess(kubeconfig, program string) (kubernetes.Interface, error) {
	access, err := accessTo(kubeconfig, program)
	if err != nil {
		return nil, err
	}
	return impatient(access)
}
