package flex

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// probe says what the program was called with.
const probe = "#!/bin/sh\nprintf '%s\\n' \"$@\"\necho noise >&2\n"

// install installs a driver that runs probe, from a place whose name a shell would
// misread.
func install(t *testing.T) (driver string, i Installation) {
	t.Helper()
	dir := t.TempDir()
	i = Installation{
		Program: filepath.Join(dir, `it's $HOME "here"`), Arguments: []string{"--data-dir", "/srv/it's"},
		ErrorLog: filepath.Join(dir, "it's the log"),
	}
	must(t, os.WriteFile(i.Program, []byte(probe), 0o700))
	must(t, Install(filepath.Join(dir, "plugins"), i))
	return filepath.Join(dir, "plugins", "mainstay.dev~volume", "volume"), i
}

// The script passes every argument as it is, and keeps the program's standard
// error from kubelet.
func TestScriptPassesEverything(t *testing.T) {
	driver, i := install(t)
	output, err := exec.Command(driver, "mount", "/a b", `{"x":"'$(id)"}`, "-5", "").CombinedOutput()
	if want := "--data-dir\n/srv/it's\nmount\n/a b\n{\"x\":\"'$(id)\"}\n-5\n\n"; err != nil || string(output) != want {
		t.Errorf("the program was called with %q (%v), want %q", output, err, want)
	}
	if log, err := os.ReadFile(i.ErrorLog); err != nil || string(log) != "noise\n" {
		t.Errorf("the log holds %q (%v)", log, err)
	}
}

// A program that has moved is an answer, too, and a new installation finds it.
func TestProgramMoves(t *testing.T) {
	driver, i := install(t)
	moved := filepath.Join(filepath.Dir(i.Program), "moved")
	must(t, os.Rename(i.Program, moved))
	output, err := exec.Command(driver, "mount", "/a", "{}").CombinedOutput()
	var got answer
	if json.Unmarshal(output, &got) != nil || err != nil || got.Status != statusFailure || !strings.Contains(got.Message, "mainstay up") {
		t.Errorf("without its program: %s (%v)", output, err)
	}
	i.Program = moved
	must(t, Install(filepath.Dir(filepath.Dir(driver)), i))
	if output, err := exec.Command(driver, "unmount", "/a").CombinedOutput(); err != nil || !strings.Contains(string(output), "unmount\n/a") {
		t.Errorf("installed anew: %s (%v)", output, err)
	}
}

// Kubelet runs what it sees change: a driver that is right is not touched, one
// that is not is replaced, and no other name appears beside it.
func TestInstallTouchesLittle(t *testing.T) {
	driver, i := install(t)
	plugins := filepath.Dir(filepath.Dir(driver))
	stat := func() os.FileInfo {
		info, err := os.Stat(driver)
		must(t, err)
		return info
	}
	before := stat()
	if before.Mode() != 0o700 {
		t.Errorf("the driver has the mode %v", before.Mode())
	}
	must(t, Install(plugins, i))
	if !os.SameFile(before, stat()) {
		t.Error("a driver that was right was written again")
	}
	for _, damage := range []func() error{
		func() error { return os.Chmod(driver, 0o600) },
		func() error { return os.WriteFile(driver, []byte("#!/bin/sh\n"), 0o700) },
		func() error { return os.WriteFile(filepath.Join(filepath.Dir(driver), ".volume"), nil, 0o400) }, // killed half-way
		func() error { return os.RemoveAll(filepath.Dir(driver)) },
	} {
		must(t, damage())
		must(t, Install(plugins, i))
		if output, err := exec.Command(driver, "init").CombinedOutput(); err != nil || string(output) != string(initialized().line()) {
			t.Errorf("init answers %q (%v)", output, err)
		}
	}
}
