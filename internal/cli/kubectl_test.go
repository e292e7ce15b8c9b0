package cli

import (
	"strings"
	"testing"
)

// kubectl speaks to Mainstay's cluster unless it is told of another one.
func TestNamesCluster(t *testing.T) {
	for line, want := range map[string]bool{
		"get pods":                                  false,
		"--kubeconfig other.yaml get pods":          true,
		"get pods --kubeconfig=other.yaml":          true,
		"exec web-0 -- mainstay --kubeconfig=other": false,
		"get pods -l app=--kubeconfig":              false,
	} {
		if got := namesCluster(strings.Fields(line)); got != want {
			t.Errorf("kubectl %s: %v", line, got)
		}
	}
}
