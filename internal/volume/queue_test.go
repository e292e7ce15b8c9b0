package volume

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an earlier user of a device's number has set does not last, above all that its
// flushes go nowhere.
func TestQueueIsSettled(t *testing.T) {
	p, dir := testPool(t)
	r := mustCreate(t, p, Spec{Name: "v", RequiredBytes: 16 * mib, FileSystem: RawBlock})
	staging := filepath.Join(dir, "staging")
	must(t, p.Stage(context.Background(), r.ID, staging, nil))
	loops, err := findLoops(p.image(r.ID))
	if err != nil || len(loops) != 1 {
		t.Fatalf("%v (%v)", loops, err)
	}
	queue := filepath.Join("/sys/block", filepath.Base(loops[0].device), "queue")
	for file, value := range map[string]string{"write_cache": "write through", "iostats": "0"} {
		must(t, os.WriteFile(filepath.Join(queue, file), []byte(value), 0))
	}
	must(t, p.Stage(context.Background(), r.ID, staging, nil))
	for _, s := range queueSettings {
		content, err := os.ReadFile(filepath.Join(queue, s.file))
		if must(t, err); strings.TrimSpace(string(content)) != s.value {
			t.Errorf("%s is %q", s.file, content)
		}
	}
}
