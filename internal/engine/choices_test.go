package engine

import (
	"os"
	"reflect"
	"testing"
	"time"
)

func TestChoicesAreRemembered(t *testing.T) {
	paths := Paths{DataDir: t.TempDir()}
	if none, err := RememberedChoices(paths.DataDir); err != nil || !reflect.DeepEqual(none, Choices{}) {
		t.Errorf("before the first start: %+v, %v", none, err)
	}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	for _, choices := range []Choices{
		{NodeAddress: "192.0.2.1", RuntimeEndpoint: "unix:///run/some.sock", Etcd: EtcdAccess{Servers: []string{"https://a:1", "https://b:1"}, CAFile: "/ca"}, FeatureGates: "A=true"},
		{},
	} {
		if err := choices.remember(paths); err != nil {
			t.Fatal(err)
		}
		if got, err := RememberedChoices(paths.DataDir); err != nil || !reflect.DeepEqual(got, choices) {
			t.Errorf("got %+v, %v; want %+v", got, err, choices)
		}
	}
	if err := os.WriteFile(paths.choices(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := RememberedChoices(paths.DataDir); err == nil {
		t.Error("choices that cannot be read were taken for none: the engine would start on another state")
	}
}

// TestRecordNames: the state in an etcd is ours if its API server named our
// authority, however it wrote the certificate down.
func TestRecordNames(t *testing.T) {
	var authorities [2][]byte
	for i := range authorities {
		paths := Paths{DataDir: t.TempDir()}
		if err := paths.create(); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ensureAuthority(paths.pki(), authority{name: "ca", commonName: "kubernetes"}, time.Now()); err != nil {
			t.Fatal(err)
		}
		content, err := os.ReadFile(paths.pkiFile("ca.crt"))
		if err != nil {
			t.Fatal(err)
		}
		authorities[i] = content
	}
	record := append([]byte("k8s\x00\x01client-ca-file\x12"), authorities[0]...)
	for _, c := range []struct {
		record, authority []byte
		want              bool
	}{
		{record, authorities[0], true},
		{record, append([]byte("# a remark\n"), authorities[0]...), true},
		{record, authorities[1], false},
		{record, nil, false},
		{nil, authorities[0], false},
		{nil, nil, false},
	} {
		if got := recordNames(c.record, c.authority); got != c.want {
			t.Errorf("recordNames(%q, %q) is %v", c.record, c.authority, got)
		}
	}
}
