package volume

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRecordRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := Record{
		Version: recordVersion, ID: "v", Name: "V", Bytes: 5 * mib,
		FileSystem: Ext4, FormattedBytes: 4 * mib, Claim: "default/data-0",
	}
	if err := writeRecord(dir, want); err != nil {
		t.Fatal(err)
	}
	got, err := readRecord(dir)
	if err != nil || got != want {
		t.Fatalf("read %+v (%v), want %+v", got, err, want)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 1 {
		t.Fatalf("more than the record was left: %v", left)
	}
}

func TestRecordErrors(t *testing.T) {
	for _, c := range []struct{ why, content, want string }{
		{"a damaged record", "{", "is damaged"},
		{"a newer record", `{"version": 2, "id": "v"}`, "run a newer one"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, recordFile), []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readRecord(dir); err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNotFound) {
			t.Errorf("%s: error %v, want one with %q", c.why, err, c.want)
		}
	}
	if _, err := readRecord(t.TempDir()); !errors.Is(err, ErrNotFound) {
		t.Errorf("no record: error %v", err)
	}
}
