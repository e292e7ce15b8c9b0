package cli

import "testing"

func TestFailureOf(t *testing.T) {
	const unknown = "the engine ended while it was starting"
	for _, c := range []struct{ unit, properties, want string }{
		{"waits for its turn", "Job=812\nNRestarts=0\nStatusText=\nActiveState=inactive\nSubState=dead\n", ""},
		{"waits, and failed in an earlier life", "Job=812\nNRestarts=3\nStatusText=failed: no room\nActiveState=failed\nSubState=failed\n", ""},
		{"starts", "NRestarts=0\nStatusText=waiting for the API server\nActiveState=activating\nSubState=start\n", ""},
		{"runs", "NRestarts=0\nStatusText=ready\nActiveState=active\nSubState=running\n", ""},
		{"failed, with a reason", "NRestarts=0\nStatusText=failed: no room\nActiveState=activating\nSubState=auto-restart\n", "no room"},
		{"failed without a word", "NRestarts=0\nStatusText=starting\nActiveState=activating\nSubState=auto-restart\n", unknown},
		{"was started again meanwhile", "NRestarts=1\nStatusText=starting\nActiveState=activating\nSubState=start\n", unknown},
		{"failed for good", "NRestarts=0\nStatusText=failed: no room\nActiveState=failed\nSubState=failed\n", "no room"},
		{"was stopped", "NRestarts=0\nStatusText=\nActiveState=inactive\nSubState=dead\n", unknown},
	} {
		if got := failureOf(c.properties); got != c.want {
			t.Errorf("a unit that %s: %q, not %q", c.unit, got, c.want)
		}
	}
}
