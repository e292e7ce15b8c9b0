package volumetest

import (
	"testing"
	"time"
)

// Eventually fails the test unless the condition comes true soon. The time is a
// bound for slow machines; nothing that passes waits for it.
func Eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not in 20 s: %s", what)
}
