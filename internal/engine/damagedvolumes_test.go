package engine

import (
	"os"
	"path/filepath"
	"testing"
)

// What the power cut left of a note goes, one that is whole stays.
func TestRemoveDamaged(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content string
		stays   bool
	}{
		"empty": {"", false}, "half": {`{"driverName":"a`, false}, "zeros": {"\x00\x00\x00", false}, "whole": {`{"driverName":"a"}`, true},
	} {
		note := filepath.Join(dir, "pods", name, "volumes", "kubernetes.io~csi", "pvc", "vol_data.json")
		if err := os.MkdirAll(filepath.Dir(note), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(note, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := removeDamaged(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(note); (err == nil) != c.stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
