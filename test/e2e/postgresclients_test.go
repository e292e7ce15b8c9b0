package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// writers is how many clients write to the database's ledger.
const writers = 4

// transaction is a row of the ledger: each client numbers its own.
type transaction struct{ client, number int }

// clients write rows to a database, from outside the cluster, each with a new
// session whenever the old one breaks; and remember those that were acknowledged.
// Beside them pgbench does what it does.
type clients struct {
	database *database
	address  string
	begun    time.Time
	took     time.Duration
	cancel   context.CancelFunc
	done     sync.WaitGroup
	broken   atomic.Int64 // sessions

	mu           sync.Mutex
	acknowledged []transaction
}

func startClients(t *testing.T, d *database, address string) *clients {
	ctx, cancel := context.WithCancel(t.Context())
	c := &clients{database: d, address: address, begun: time.Now(), cancel: cancel}
	for client := range writers {
		c.done.Go(func() { c.write(ctx, client) })
	}
	c.done.Go(func() { c.bench(ctx) })
	t.Cleanup(func() { c.stop() })
	return c
}

// connection gives the words with which libpq finds a database, and notices within
// seconds that it is gone.
func connection(address string) string {
	return "host=" + address + " user=postgres dbname=postgres connect_timeout=2" +
		" tcp_user_timeout=3000 keepalives_idle=1 keepalives_interval=1 keepalives_count=3"
}

func (c *clients) write(ctx context.Context, client int) {
	for number := 0; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		c.session(ctx, client, &number)
	}
}

// session ends with the first error. What came of the last transaction is unknown
// then, and its number is not used again.
func (c *clients) session(ctx context.Context, client int, number *int) {
	psql := c.database.host.Run(filepath.Join(c.database.programs, "psql"), "-XqAt", "--set=ON_ERROR_STOP=1", connection(c.address))
	questions, _ := psql.StdinPipe() // they fail for commands only that have them already
	answers, _ := psql.StdoutPipe()
	if psql.Start() != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = psql.Process.Kill() })()
	defer func() { questions.Close(); _ = psql.Wait() }()
	lines := bufio.NewScanner(answers)
	for {
		*number++
		// psql prints the answer when the server has committed, and not before.
		_, err := fmt.Fprintf(questions, "INSERT INTO ledger VALUES (%d, %d) RETURNING number;\n", client, *number)
		if err != nil || !lines.Scan() || lines.Text() != strconv.Itoa(*number) {
			c.broken.Add(1)
			_, _ = io.Copy(io.Discard, answers)
			return
		}
		c.mu.Lock()
		c.acknowledged = append(c.acknowledged, transaction{client, *number})
		c.mu.Unlock()
	}
}

func (c *clients) bench(ctx context.Context) {
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		pgbench := c.database.host.Run(filepath.Join(c.database.programs, "pgbench"), "--no-vacuum", "--client=2", "--time=3600", connection(c.address))
		if pgbench.Start() == nil {
			stop := context.AfterFunc(ctx, func() { _ = pgbench.Process.Kill() })
			_ = pgbench.Wait()
			stop()
		}
	}
}

func (c *clients) acknowledgedSoFar() []transaction {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.acknowledged)
}

// waitMore waits until each client has got so many more acknowledged.
func (c *clients) waitMore(t *testing.T, more int) {
	t.Helper()
	before := len(c.acknowledgedSoFar())
	hosts.Eventually(t, 90*time.Second, func(context.Context) error {
		var of [writers]int
		for _, row := range c.acknowledgedSoFar()[before:] {
			of[row.client]++
		}
		if slices.Min(of[:]) < more {
			return fmt.Errorf("acknowledged since then, by client: %v", of)
		}
		return nil
	})
}

func (c *clients) stop() []transaction {
	c.cancel()
	c.done.Wait()
	if c.took == 0 {
		c.took = time.Since(c.begun)
	}
	return c.acknowledged
}

// rate is how many transactions were acknowledged a second, until they stopped.
func (c *clients) rate() float64 { return float64(len(c.acknowledged)) / c.took.Seconds() }
