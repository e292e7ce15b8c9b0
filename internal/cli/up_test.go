package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// TestChoices: what is said now goes before what was said at the last start, an
// empty value takes that back, and the engine is told what this command was.
func TestChoices(t *testing.T) {
	last := engine.Choices{NodeAddress: "192.0.2.1", RuntimeEndpoint: "unix:///run/some.sock"}
	dataDir := t.TempDir()
	content, err := json.Marshal(last)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dataDir, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dataDir, "config", "choices.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	etcd := engine.EtcdAccess{
		Servers: []string{"https://a:1", "https://b:1"},
		CAFile:  filepath.Join(here, "ca.crt"), CertFile: "/some/client.crt", KeyFile: "/some/client.key",
	}
	for _, c := range []struct {
		name      string
		arguments []string
		want      engine.Choices
		repeated  []string
	}{
		{name: "nothing said", want: last},
		{
			name: "an address", arguments: []string{"--node-ip", "192.0.2.2"}, repeated: []string{"--node-ip=192.0.2.2"},
			want: engine.Choices{NodeAddress: "192.0.2.2", RuntimeEndpoint: last.RuntimeEndpoint},
		},
		{
			name: "no runtime any more", arguments: []string{"--container-runtime-endpoint", ""}, repeated: []string{"--container-runtime-endpoint="},
			want: engine.Choices{NodeAddress: last.NodeAddress},
		},
		{
			name: "pools, one of them in this directory", arguments: []string{"--pool", "fast=disk", "--pool", "archive=/mnt/archive"},
			repeated: []string{"--pool=archive=/mnt/archive", "--pool=fast=" + filepath.Join(here, "disk")},
			want: engine.Choices{
				NodeAddress: last.NodeAddress, RuntimeEndpoint: last.RuntimeEndpoint,
				Pools: map[string]string{"fast": filepath.Join(here, "disk"), "archive": "/mnt/archive"},
			},
		},
		{
			name: "etcd, with a file of this directory",
			arguments: []string{
				"--etcd-servers", "https://a:1,https://b:1", "--etcd-cafile", "ca.crt",
				"--etcd-certfile", "/some/client.crt", "--etcd-keyfile", "/some/client.key",
			},
			repeated: []string{
				"--etcd-cafile=" + etcd.CAFile, "--etcd-certfile=/some/client.crt", "--etcd-keyfile=/some/client.key",
				"--etcd-servers=https://a:1,https://b:1",
			},
			want: engine.Choices{NodeAddress: last.NodeAddress, RuntimeEndpoint: last.RuntimeEndpoint, Etcd: etcd},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var f upFlags
			flags := pflag.NewFlagSet("up", pflag.ContinueOnError)
			f.add(flags)
			if err := flags.Parse(c.arguments); err != nil {
				t.Fatal(err)
			}
			got, err := f.choices(dataDir)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
			repeated := f.arguments(engine.Config{NodeName: "here", Choices: got})
			if want := slices.Concat([]string{"--node-name", "here"}, c.repeated); !slices.Equal(repeated, want) {
				t.Errorf("the engine is started with %q, not %q", repeated, want)
			}
		})
	}
}

// What is said of one pool leaves the others alone.
func TestWithPools(t *testing.T) {
	had := map[string]string{"fast": "/mnt/fast"}
	for _, c := range []struct {
		why  string
		said []string
		want map[string]string // nil: refused
	}{
		{"nothing said", nil, had},
		{"one more", []string{"archive=/mnt/a=b"}, map[string]string{"fast": "/mnt/fast", "archive": "/mnt/a=b"}},
		{"moved", []string{"fast=/dev/sdb"}, map[string]string{"fast": "/dev/sdb"}},
		{"forgotten, and another", []string{"fast=", "slow=/mnt/slow"}, map[string]string{"slow": "/mnt/slow"}},
		{"no path", []string{"fast"}, nil},
		{"no name", []string{"=/mnt/fast"}, nil},
		{"the default one", []string{"default=/mnt/fast"}, nil},
	} {
		got, err := withPools(had, c.said)
		if !reflect.DeepEqual(got, c.want) || (err != nil) != (c.want == nil) {
			t.Errorf("%s: %v (%v), want %v", c.why, got, err, c.want)
		}
	}
	if len(had) != 1 || had["fast"] != "/mnt/fast" {
		t.Errorf("what was remembered has become %v", had)
	}
}
