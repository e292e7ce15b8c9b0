package engine

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/fence"
	"github.com/mainstay-io/mainstay/internal/fence/agent"
	"github.com/mainstay-io/mainstay/internal/fence/halt"
)

// keeperUser is the name under which the API server knows a node's keeper.
func keeperUser(nodeName string) string { return "mainstay:keeper:" + nodeName }

// keepersGroup is that of all keepers.
const keepersGroup = "mainstay:keepers"

// RunKeeper keeps the lease of this machine's node until ctx ends. The watchdog is the
// executioner's; empty: none.
func RunKeeper(ctx context.Context, dataDir, nodeName string, nodeIP net.IP, watchdog string) error {
	paths, terms := Paths{DataDir: dataDir}, fence.DefaultTerms()
	keeper, err := impatientClient(paths, "keeper")
	if err != nil {
		return err
	}
	node, err := impatientClient(paths, "kubelet")
	if err != nil {
		return err
	}
	machine, err := paths.fence().Machine()
	if err != nil {
		return err
	}
	authorities, err := certutil.NewPool(paths.pkiFile("ca.crt"))
	if err != nil {
		return err
	}
	return agent.Node{
		Terms: terms, Name: nodeName, Machine: machine, Address: nodeIP, Dir: paths.fence(),
		Leases: agent.Leases{Client: keeper, Terms: terms},
		Pets:   agent.Pets{Client: node, Node: nodeName, Halt: haltable(dataDir), Spared: paths.fence().Spared()},
		// The members speak with each other by the certificates that their kubelets have.
		Server: agent.ServerTLS(authorities, certificateOf(paths, "kubelet-server")),
		Asker:  impatientAsker(agent.ClientTLS(authorities, certificateOf(paths, "kubelet"))),
		Alive:  func(ctx context.Context) bool { return engineLives(ctx, paths) },
		Executioner: func(ctx context.Context) error {
			return ensureExecutioner(ctx, executionerProcess(paths, watchdog), paths.fence())
		},
	}.Run(ctx)
}

// RunExecutioner stops the pets of this machine whenever their deadline is past, until
// ctx ends. The watchdog is a device; empty: none.
func RunExecutioner(ctx context.Context, dataDir, watchdog string) error {
	return runExecutioner(ctx, Paths{DataDir: dataDir}.fence(), watchdog, haltable(dataDir), nil)
}

func runExecutioner(ctx context.Context, dir agent.Dir, watchdog string, pods halt.Pods, spare func(uid string) bool) error {
	memory, err := dir.OpenMemory()
	if err != nil {
		return err
	}
	defer memory.Close()
	stayInMemory(ctx, pods)
	executioner := agent.Executioner{Memory: memory, Dir: dir, Terms: fence.DefaultTerms(), Stop: func(ctx context.Context) error {
		spared := dir.Spared()
		spared.Also = spare
		return agent.StopPets(ctx, pods, spared)
	}}
	if watchdog != "" {
		executioner.Watchdog = func() (agent.Watchdog, error) { return agent.OpenWatchdog(watchdog) }
	}
	return executioner.Run(ctx)
}

// stayInMemory keeps this process's memory, of its program what it has used, from being
// read from the disk again, which may hang by then.
func stayInMemory(ctx context.Context, pods halt.Pods) {
	if err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT); err != nil {
		klog.FromContext(ctx).Error(err, "The executioner's memory cannot be locked: if the machine's disk hangs, it may hang too")
	}
	_ = pods.Stop(ctx, func(string) bool { return true }) // a rehearsal
}

// engineLives: an engine runs, also one that starts or stops; or its pods are being
// stopped in order without it.
func engineLives(ctx context.Context, paths Paths) bool {
	if _, err := NewControl(paths.DataDir).State(ctx); err == nil {
		return true
	}
	return cleaning(paths)
}

// impatientClient is one whose connections end when the network is lost, so that a
// new one is tried as soon as it is back, and that turns to another server at once.
func impatientClient(paths Paths, who string) (kubernetes.Interface, error) {
	access, err := accessOf(paths, who)
	if err != nil {
		return nil, err
	}
	terms := fence.DefaultTerms()
	newRestless(reach{paths: paths, connect: terms.Renew, silence: 2 * terms.Renew}).use(access)
	return kubernetes.NewForConfig(access)
}

// impatient is the same for one server.
func impatient(access *rest.Config) (kubernetes.Interface, error) {
	terms := fence.DefaultTerms()
	access.Dial = dialer(terms.Renew, 2*terms.Renew).DialContext
	return kubernetes.NewForConfig(access)
}

// impatientAsker asks members by connections that end as soon.
func impatientAsker(config *tls.Config) agent.Asker {
	terms := fence.DefaultTerms()
	return agent.Asker{Client: &http.Client{Transport: &http.Transport{
		TLSClientConfig: config, DialContext: dialer(terms.Renew, 2*terms.Renew).DialContext, IdleConnTimeout: time.Minute,
	}}}
}

// certificateOf reads a part's certificate: of a server, or of a machine that has joined.
func certificateOf(paths Paths, name string) func() (*tls.Certificate, error) {
	return func() (*tls.Certificate, error) {
		cert, key := paths.pkiFile(name+".crt"), paths.pkiFile(name+".key")
		joined := paths.pkiFile(name + "-current.pem")
		if _, err := os.Stat(joined); err == nil {
			cert, key = joined, joined
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		return &pair, err
	}
}
