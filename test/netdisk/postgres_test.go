package netdisk_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPostgres runs a database on a network disk: the disk server is killed under it,
// its machine loses the power, and another machine goes on with the disk. Every
// transaction that was acknowledged is there.
func TestPostgres(t *testing.T) {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		t.Skip("there is no PostgreSQL to try: run hack/packages")
	}
	r := newRig(t)
	one, two := r.Hosts[0], r.Hosts[1]
	acknowledged := filepath.Join(t.TempDir(), "acknowledged") // lies outside of the hosts
	prepare := "PATH=" + found[len(found)-1] + `:$PATH; export PGHOST=/run/postgres PGUSER=postgres
		as() { setpriv --reuid postgres --regid postgres --clear-groups "$@"; }
	`
	start := prepare + `mkdir --mode=777 /run/postgres
		as pg_ctl --silent --wait --pgdata $PWD/db --log $PWD/db/log start -o "-c listen_addresses= -c unix_socket_directories=/run/postgres" || tail db/log` + "\n"

	r.create(t)
	r.mount(t, one)
	mustShell(t, one, "fio --name=verify --filename=file --size=16m --rw=randrw --bs=8k --fsync=64 --verify=crc32c --verify_fatal=1 >/dev/null; rm file")
	mustShell(t, one, prepare+`
		mkdir db && chown postgres db
		as initdb --auth=trust --no-sync --pgdata $PWD/db >/dev/null
		printf '%s\n' max_wal_size=64MB dynamic_shared_memory_type=mmap >>db/postgresql.conf && sync # nothing of it stays in /dev/shm
		`+start+`
		as psql -q -c 'CREATE EXTENSION amcheck; CREATE TABLE ledger (number int PRIMARY KEY)'
		as pgbench --initialize --quiet >/dev/null 2>&1`)
	// One client notes what was acknowledged; others make work.
	must(t, one.Run("sh", "-c", "cd "+volume+"\n"+prepare+`
		as pgbench --client=2 --time=60 >/dev/null 2>&1 &
		number=0
		while :; do
			number=$((number + 1))
			as psql -q -c "INSERT INTO ledger VALUES ($number)" && echo $number >>`+acknowledged+`
		done`).Start())
	count := func() int {
		text, _ := os.ReadFile(acknowledged) // not there before the first
		return strings.Count(string(text), "\n")
	}
	more := func() {
		t.Helper()
		before := count()
		soon(t, func() error {
			if now := count(); now < before+10 {
				return fmt.Errorf("%d transactions were acknowledged, and %d before", now, before)
			}
			return nil
		})
	}
	more()
	r.server.Restart(t)
	more()
	must(t, one.PowerOff())
	t.Logf("%d transactions were acknowledged", count())

	r.detach(t, two, one)
	r.mount(t, two)
	// Hosts share process IDs: PostgreSQL may take somebody else's for that of its old server.
	kept := mustShell(t, two, "rm db/postmaster.pid\n"+start+`as psql -At -c 'SELECT number FROM ledger'`)
	for _, number := range strings.Fields(read(t, acknowledged)) {
		if !strings.Contains("\n"+kept+"\n", "\n"+number+"\n") {
			t.Errorf("transaction %s was acknowledged, and is lost", number)
		}
	}
	mustShell(t, two, prepare+"as pg_amcheck --heapallindexed postgres")
	r.server.Record(t)
}

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	must(t, err)
	return string(content)
}
