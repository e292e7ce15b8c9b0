package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const databasePod = "db-0"

// databaseManifest is a PostgreSQL on a disk on the network.
const databaseManifest = `
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, ports: [{port: 5432}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:` + hosts.PostgresPod + `
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: netdisk, resources: {requests: {storage: 400Mi}}}
`

// ledger writes numbers to a database, from outside the cluster, and remembers those
// that were acknowledged.
type ledger struct {
	host     *hosts.Host
	programs string // folder
	address  string

	mu           sync.Mutex
	acknowledged []string
}

// query asks the database, with a session that notices within seconds that it is gone.
func (l *ledger) query(ctx context.Context, text string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, l.host.Virtual.Enter(), filepath.Join(l.programs, "psql"), "-XqAt", "--set=ON_ERROR_STOP=1",
		"host="+l.address+" user=postgres dbname=postgres connect_timeout=2 tcp_user_timeout=3000 keepalives_idle=1 keepalives_interval=1 keepalives_count=3",
		"--command="+text)
	said, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w: %s", err, said)
	}
	return strings.TrimSpace(string(said)), nil
}

// write writes until ctx ends. A number is never used again: psql returns when the
// server has committed, and what came of one that failed is unknown.
func (l *ledger) write(ctx context.Context) {
	for number := 1; ctx.Err() == nil; number++ {
		if _, err := l.query(ctx, fmt.Sprintf("INSERT INTO ledger VALUES (%d)", number)); err == nil {
			l.mu.Lock()
			l.acknowledged = append(l.acknowledged, fmt.Sprint(number))
			l.mu.Unlock()
		}
	}
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acknowledged)
}

// waitMore waits until more was acknowledged.
func (l *ledger) waitMore(t *testing.T) {
	t.Helper()
	before := l.count()
	hosts.Eventually(t, time.Minute, func(context.Context) error {
		if now := l.count(); now < before+10 {
			return fmt.Errorf("%d transactions were acknowledged, and %d before", now, before)
		}
		return nil
	})
}

// tryPostgres loses the node of a database in random ways, while a client writes. What
// was acknowledged is there in the end, and nothing is damaged.
func (c *cluster) tryPostgres(t *testing.T) {
	l := &ledger{host: c.server}
	together(c.nodes, func(h *hosts.Host) { l.programs = h.ImportPostgres(t) })
	c.server.Apply(t, databaseManifest)
	c.pet(t, databasePod)
	l.address = c.server.Kubectl(t, "get", "service", "db", "-o", "jsonpath={.spec.clusterIP}")
	hosts.Eventually(t, 10*time.Second, func(ctx context.Context) error {
		_, err := l.query(ctx, "CREATE TABLE IF NOT EXISTS ledger (number int PRIMARY KEY); CREATE EXTENSION IF NOT EXISTS amcheck")
		return err
	})
	writing, stop := context.WithCancel(t.Context())
	var written sync.WaitGroup
	written.Go(func() { l.write(writing) })
	defer func() { stop(); written.Wait() }()

	random, found := rand.New(rand.NewPCG(*seed, 1)), results{}
	for range *databaseLosses {
		l.waitMore(t)
		kind := losses[random.IntN(len(losses))]
		o := c.lose(t, databasePod, kind, anyTime(random))
		t.Logf("%s: %s", kind.name, o)
		found[kind.name] = append(found[kind.name], o)
	}
	l.waitMore(t)
	stop()
	written.Wait()
	t.Logf("%d transactions were acknowledged; seconds until the database was Ready elsewhere:\n%s", l.count(), found.table(losses))

	kept, err := l.query(t.Context(), "SELECT number FROM ledger")
	must(t, err)
	there := map[string]bool{}
	for number := range strings.FieldsSeq(kept) {
		there[number] = true
	}
	for _, number := range l.acknowledged {
		if !there[number] {
			t.Errorf("transaction %s was acknowledged, and is lost", number)
		}
	}
	check := l.host.Run(filepath.Join(l.programs, "pg_amcheck"), "--host="+l.address, "--username=postgres", "--heapallindexed", "postgres")
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("pg_amcheck: %v: %s", err, said)
	}
}
