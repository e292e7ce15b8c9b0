package e2e

import (
	"os"
	"slices"
	"testing"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// compare fails the test for everything that is there now and was not before.
func compare(t *testing.T, when string, before, after hosts.Stock) {
	t.Helper()
	for kind, things := range after {
		for _, thing := range things {
			if !slices.Contains(before[kind], thing) {
				t.Errorf("%s, left behind among the %s: %s", when, kind, thing)
			}
		}
	}
}

// places are where an engine might put files outside of its data directory.
var places = []string{"/etc/cni", "/etc/systemd/system", "/opt", "/run", "/run/containerd", "/var/lib", "/var/lib/cni", "/var/lib/kubelet", "/var/log", "/usr/libexec"}

// takeStock lists what lies in those places.
func takeStock(t *testing.T) map[string][]string {
	t.Helper()
	stock := map[string][]string{}
	for _, place := range places {
		entries, _ := os.ReadDir(place)
		for _, entry := range entries {
			stock[place] = append(stock[place], entry.Name())
		}
	}
	return stock
}

// compareMachine fails the test for every file that was not there before.
func compareMachine(t *testing.T, before map[string][]string, h *hosts.Host) {
	t.Helper()
	if _, err := os.Stat(h.DataDir); err == nil {
		t.Errorf("%s is still there", h.DataDir)
	}
	for place, names := range takeStock(t) {
		for _, name := range names {
			if !slices.Contains(before[place], name) && name != "netns" {
				t.Errorf("left behind: %s/%s", place, name)
			}
		}
	}
}
