package engine

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCorefileForwardsOnlyWhereThereIsAResolver(t *testing.T) {
	resolvers := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(resolvers, []byte("nameserver 192.0.2.53\nnameserver 192.0.2.54\nsearch example.test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, file string
		forwards   bool
	}{
		{"the machine has resolvers", resolvers, true},
		{"the machine has none", "/no/such/file", false},
	} {
		content, err := corefile(Paths{DataDir: "/data"}, net.IPv4(10, 42, 0, 1), machineResolvers(test.file))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(content), "forward . 192.0.2.53 192.0.2.54\n"); got != test.forwards {
			t.Errorf("%s, forwards: %v\n%s", test.name, got, content)
		}
	}
}
