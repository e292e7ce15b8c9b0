package hosts

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// PostgresImage holds busybox and the PostgreSQL that is installed on this machine.
// User 999 is postgres there.
const PostgresImage = "mainstay.dev/test/postgres:1"

// PostgresPod is the specification of a pod that runs it, but for its volume. It makes the
// database under another name first: what is called pgdata is whole.
const PostgresPod = `
      securityContext: {runAsUser: 999, runAsGroup: 999, fsGroup: 999, fsGroupChangePolicy: OnRootMismatch}
      terminationGracePeriodSeconds: 20
      containers:
      - name: postgres
        image: ` + PostgresImage + `
        command:
        - sh
        - -ec
        - |
          cd /usr/lib/postgresql/*/bin
          if [ ! -d /data/pgdata ]; then
            rm -rf /data/new
            ./initdb --pgdata=/data/new --auth=trust --encoding=UTF8 --no-locale --data-checksums --wal-segsize=1 >/dev/null
            echo host all all all trust >>/data/new/pg_hba.conf
            sync
            mv /data/new /data/pgdata
          fi
          busybox chmod 0700 /data/pgdata
          exec $PWD/postgres -D /data/pgdata -c listen_addresses=* -c unix_socket_directories=/tmp \
            -c shared_buffers=32MB -c min_wal_size=8MB -c max_wal_size=32MB
        readinessProbe: {exec: {command: [sh, -c, "/usr/lib/postgresql/*/bin/pg_isready --quiet --host=/tmp"]}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}]
`

// ImportPostgres makes the image of what Debian's package has installed, and
// imports it on the host. It returns the folder of PostgreSQL's programs, which is
// the same in the image and on this machine.
func (h *Host) ImportPostgres(t testing.TB) (programs string) {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is right
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL to try: run hack/packages")
	}
	version := filepath.Dir(filepath.Dir(found[len(found)-1]))
	programs = filepath.Join(version, "bin")
	files := map[string][]byte{"etc/passwd": []byte("postgres:x:999:999::/tmp:/bin/sh\n")}
	for _, program := range []string{"postgres", "initdb", "pg_isready"} {
		addProgram(t, files, filepath.Join(programs, program))
	}
	for _, library := range []string{"amcheck.so", "dict_snowball.so", "plpgsql.so"} {
		addFile(t, files, filepath.Join(version, "lib", library))
	}
	addFolder(t, files, filepath.Join("/usr/share/postgresql", filepath.Base(version)))
	h.Mainstay(t, "image", "import", WriteImage(t, v1.Config{StopSignal: "SIGINT"}, files, PostgresImage))
	return programs
}

// addProgram adds a program and the libraries that it is linked with.
func addProgram(t testing.TB, files map[string][]byte, path string) {
	t.Helper()
	addFile(t, files, path)
	for _, word := range strings.Fields(output(t, "ldd", path)) {
		if filepath.IsAbs(word) {
			addFile(t, files, word)
		}
	}
}

func addFolder(t testing.TB, files map[string][]byte, path string) {
	t.Helper()
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			addFile(t, files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func addFile(t testing.TB, files map[string][]byte, path string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	files[strings.TrimPrefix(path, "/")] = content
}
