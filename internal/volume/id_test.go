package volume

import (
	"path/filepath"
	"strings"
	"testing"
	"testing/quick"
)

func TestIDFor(t *testing.T) {
	for _, c := range []struct{ why, name, want string }{
		{"a claim's volume keeps its name", "pvc-0b2c9e0c-7f7e-4a6c-b0a5-2f6f0d5c1a11", "pvc-0b2c9e0c-7f7e-4a6c-b0a5-2f6f0d5c1a11"},
		{"capitals are hashed", "Data", "name-cec3a9b89b2e391393d0f68e4bc12a9f"},
		{"a path is hashed", "../etc", "name-f7f9121fdb53d8de1eccbfa65c4bd976"},
		{"what looks like a hash is hashed", "name-1", "name-c87373d7b31ab473c9db22b9c1907b9e"},
	} {
		if got := IDFor(c.name); got != c.want {
			t.Errorf("%s: IDFor(%q) = %q, want %q", c.why, c.name, got, c.want)
		}
	}
}

// Whatever the name, the ID is one directory in the pool, and no other name's.
func TestIDForIsSafe(t *testing.T) {
	seen := map[string]string{}
	check := func(name string) bool {
		id := IDFor(name)
		other, taken := seen[id]
		seen[id] = name
		return validID(id) && filepath.Base(filepath.Join("/pool", id)) == id && (!taken || other == name)
	}
	for _, name := range []string{"", ".", "..", "/", "a/b", ".creating-x", strings.Repeat("x", 128), strings.Repeat("x", 200), "a\x00b"} {
		if !check(name) {
			t.Errorf("IDFor(%q) = %q", name, IDFor(name))
		}
	}
	if err := quick.Check(check, nil); err != nil {
		t.Error(err)
	}
}
