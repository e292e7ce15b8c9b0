package e2e

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

var long = flag.Bool("long", false, "kill PostgreSQL's pod, containerd and the engine in each of the changes to its volume")

// TestPostgres changes the volume of a database under load (grows it, takes a
// snapshot, changes its class) and kills something in the middle of each change.
// Every transaction that was acknowledged must be there in the end; and in the
// volume that is restored of a snapshot, every one that was acknowledged before the
// snapshot was asked for.
func TestPostgres(t *testing.T) {
	t.Parallel() // with the other engines
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	h := hosts.New(t, 12)
	h.Up(t)
	d := &database{host: h, programs: h.ImportPostgres(t), class: "guaranteed-medium", size: 256}
	h.Mainstay(t, "pool", "probe", "--each", "200ms")
	h.Apply(t, databaseManifest)
	waitReady(t, h, "db", 1)
	address := d.address(t, "db")
	d.query(t, address, "CREATE TABLE ledger (client int, number int, PRIMARY KEY (client, number)); CREATE EXTENSION amcheck")
	d.run(t, "pgbench", "--initialize", "--quiet", connection(address))

	d.clients = startClients(t, d, address)
	d.clients.waitMore(t, 20)
	for _, r := range rounds(random, d, *long) {
		t.Logf("%s, and %v later kill -9 of %s", r.change.name, r.delay, r.kill.name)
		r.change.ask(t)
		time.Sleep(r.delay)
		killed, broken := time.Now(), d.clients.broken.Load()
		r.kill.strike(t)
		d.clients.waitMore(t, 20)
		t.Logf("  %.1f s later all clients had written again", time.Since(killed).Seconds())
		hosts.Eventually(t, time.Minute, func(context.Context) error { return r.change.made(t) })
		if interrupted := d.clients.broken.Load() > broken; interrupted != r.kill.interrupts {
			t.Errorf("kill -9 of %s interrupted the clients: %v", r.kill.name, interrupted)
		}
	}
	acknowledged := d.clients.stop()
	t.Logf("%d transactions were acknowledged, %.0f a second", len(acknowledged), d.clients.rate())
	if len(acknowledged) < 1000 {
		t.Error("those are few; the test proves little")
	}

	// The volume is unmounted and mounted: what was only in memory is not there any
	// more, and a file system that could not grow while in use does so now.
	h.Kubectl(t, "delete", "pod/db-0")
	waitReady(t, h, "db", 1)
	hosts.Eventually(t, time.Minute, d.hasGrown)
	d.check(t, "db", acknowledged)
	for _, s := range d.snapshots {
		h.Apply(t, strings.ReplaceAll(restoredManifest, "SNAPSHOT", s.name))
		waitPod(t, h, "default", "of-"+s.name)
		d.check(t, "of-"+s.name, s.acknowledged)
		h.Kubectl(t, "delete", "pod/of-"+s.name, "pvc/of-"+s.name, "--wait=false")
	}
}

// round is a change of the volume, and what is killed while it is made.
type round struct {
	change change
	kill   kill
	delay  time.Duration
}

type change struct {
	name string
	ask  func(*testing.T)
	made func(*testing.T) error
}

type kill struct {
	name   string
	strike func(*testing.T)
	// interrupts: the database itself ends.
	interrupts bool
}

// rounds pairs each change with one kill, or with all.
func rounds(random *rand.Rand, d *database, all bool) (rounds []round) {
	changes := []change{
		{"growth of the claim", d.grow, d.growthPromised},
		{"a snapshot", d.snapshot, d.snapshotReady},
		{"change of the class", d.changeClass, d.classChanged},
	}
	kills := []kill{
		{"all processes of the pod", d.killPod, true},
		{"containerd", d.killContainerd, false},
		{"the engine", func(t *testing.T) { d.host.KillEngine(t); d.host.Up(t) }, false},
	}
	order := random.Perm(len(kills))
	for turn := range kills {
		for i, c := range changes {
			delay := time.Duration(random.IntN(1000)) * time.Millisecond
			rounds = append(rounds, round{c, kills[order[(i+turn)%len(kills)]], delay})
		}
	}
	if !all {
		rounds = rounds[:len(changes)]
	}
	random.Shuffle(len(rounds), func(i, j int) { rounds[i], rounds[j] = rounds[j], rounds[i] })
	return rounds
}

// database is a PostgreSQL in the pod db-0.
type database struct {
	host      *hosts.Host
	programs  string // folder
	clients   *clients
	size      int // of its claim, in MiB
	class     string
	snapshots []snapshotTaken
}

type snapshotTaken struct {
	name         string
	acknowledged []transaction // before it was asked for
}

func (d *database) claim(t *testing.T, path string) string {
	t.Helper()
	return d.host.Kubectl(t, "get", "pvc", "data-db-0", "-o", "jsonpath={"+path+"}")
}

func (d *database) grow(t *testing.T) {
	d.size += 64
	d.host.Kubectl(t, "patch", "pvc", "data-db-0", "-p", fmt.Sprintf(`{"spec":{"resources":{"requests":{"storage":"%dMi"}}}}`, d.size))
}

// growthPromised: the volume has the space. Its file system may have it later.
func (d *database) growthPromised(t *testing.T) error {
	volume := d.claim(t, ".spec.volumeName")
	if capacity := d.host.Kubectl(t, "get", "pv", volume, "-o", "jsonpath={.spec.capacity.storage}"); capacity != fmt.Sprintf("%dMi", d.size) {
		return fmt.Errorf("the volume has %s, %d Mi were asked for", capacity, d.size)
	}
	return nil
}

func (d *database) snapshot(t *testing.T) {
	s := snapshotTaken{name: "snapshot-" + strconv.Itoa(len(d.snapshots)), acknowledged: d.clients.acknowledgedSoFar()}
	d.snapshots = append(d.snapshots, s)
	d.host.Apply(t, strings.ReplaceAll(snapshotManifest, "SNAPSHOT", s.name))
}

func (d *database) snapshotReady(t *testing.T) error {
	name := d.snapshots[len(d.snapshots)-1].name
	if ready := d.host.Kubectl(t, "get", "volumesnapshot", name, "-o", "jsonpath={.status.readyToUse}"); ready != "true" {
		return errors.New(d.host.Kubectl(t, "get", "volumesnapshot", name, "-o", "yaml"))
	}
	return nil
}

func (d *database) changeClass(t *testing.T) {
	d.class = map[string]string{"guaranteed-medium": "steady", "steady": "guaranteed-medium"}[d.class]
	d.host.Kubectl(t, "patch", "pvc", "data-db-0", "-p", fmt.Sprintf(`{"spec":{"volumeAttributesClassName":%q}}`, d.class))
}

func (d *database) classChanged(t *testing.T) error {
	if class := d.claim(t, ".status.currentVolumeAttributesClassName"); class != d.class {
		return fmt.Errorf("the claim has class %q: %s", class, d.claim(t, ".status"))
	}
	return nil
}

// killPod kills the processes of all its containers, that which holds its
// namespaces too.
func (d *database) killPod(t *testing.T) {
	uid := d.host.Kubectl(t, "get", "pod", "db-0", "-o", "jsonpath={.metadata.uid}")
	groups, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, file := range groups {
		content, _ := os.ReadFile(file) // the process may have ended
		process, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if strings.Contains(string(content), "pod"+uid) && syscall.Kill(process, syscall.SIGKILL) == nil {
			killed++
		}
	}
	if killed < 2 {
		t.Fatalf("the pod has %d processes", killed)
	}
}

func (d *database) killContainerd(t *testing.T) {
	content, err := os.ReadFile(filepath.Join(d.host.DataDir, "run", "containerd.pid"))
	if err != nil {
		t.Fatal(err)
	}
	process, err := strconv.Atoi(string(content))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(process, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func (d *database) hasGrown(context.Context) error {
	output, err := d.host.Command("kubectl", "get", "pvc", "data-db-0", "-o", "jsonpath={.status.capacity.storage}").CombinedOutput()
	if err == nil && string(output) != fmt.Sprintf("%dMi", d.size) {
		err = fmt.Errorf("the claim has %s, %d Mi were asked for", output, d.size)
	}
	return err
}

// check fails the test unless the database behind a Service has all of the
// transactions, and is sound: no checksum or index is wrong, and no transaction is
// there by halves.
func (d *database) check(t *testing.T, service string, acknowledged []transaction) {
	t.Helper()
	address := d.address(t, service)
	there := map[transaction]bool{}
	for line := range strings.Lines(d.query(t, address, "SELECT client, number FROM ledger")) {
		var row transaction
		if _, err := fmt.Sscanf(line, "%d|%d", &row.client, &row.number); err != nil {
			t.Fatal(err)
		}
		there[row] = true
	}
	var lost []transaction
	for _, row := range acknowledged {
		if !there[row] {
			lost = append(lost, row)
		}
	}
	t.Logf("%s: of %d acknowledged transactions %d are there, and %d others", service, len(acknowledged), len(acknowledged)-len(lost), len(there)-len(acknowledged)+len(lost))
	if len(lost) > 0 {
		t.Errorf("%s has lost transactions that it had acknowledged, the first of them: %v", service, lost[:min(10, len(lost))])
	}
	if sums := d.query(t, address, balances); sums != "t" {
		t.Errorf("the balances of %s do not agree: %s", service, sums)
	}
	d.query(t, address, "SELECT bt_index_check(oid, true) FROM pg_class WHERE relkind = 'i' AND relname ~ '^(ledger|pgbench)'")
}

// balances of pgbench's accounts, tellers and branches change together, and its
// history says by what.
const balances = `SELECT count(*) > 0 AND sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts) AND
	sum(delta) = (SELECT sum(tbalance) FROM pgbench_tellers) AND sum(delta) = (SELECT sum(bbalance) FROM pgbench_branches) FROM pgbench_history`

func (d *database) address(t *testing.T, service string) string {
	t.Helper()
	return d.host.Kubectl(t, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}")
}

func (d *database) run(t *testing.T, program string, arguments ...string) string {
	t.Helper()
	return d.host.Output(t, filepath.Join(d.programs, program), arguments...)
}

func (d *database) query(t *testing.T, address, text string) string {
	t.Helper()
	return d.run(t, "psql", "-XqAt", "--set=ON_ERROR_STOP=1", "--command="+text, connection(address))
}
