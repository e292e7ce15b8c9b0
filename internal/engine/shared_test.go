package engine

import (
	"bytes"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// firstServer is a data directory as the first server on an etcd cluster has it.
func firstServer(t *testing.T) (Paths, Choices) {
	t.Helper()
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	if err := ensureCertificates(paths, "a", net.IPv4(192, 0, 2, 1), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := ensureEncryption(paths, bytes.NewReader(make([]byte, 32))); err != nil {
		t.Fatal(err)
	}
	return paths, Choices{Etcd: EtcdAccess{ // somebody's files: here those of the etcd that it does not run
		Servers: []string{"https://192.0.2.9:2379"}, CAFile: paths.pkiFile("etcd/ca.crt"),
		CertFile: paths.pkiFile("apiserver-etcd-client.crt"), KeyFile: paths.pkiFile("apiserver-etcd-client.key"),
	}}
}

func authorityOf(t *testing.T, paths Paths) *x509.Certificate {
	t.Helper()
	authority, err := clusterAuthority(paths)
	if err != nil {
		t.Fatal(err)
	}
	return authority
}

// A second server has the authorities, keys and etcd of the first, and certificates of
// its own, which the first one's authority has signed.
func TestServersShare(t *testing.T) {
	first, choices := firstServer(t)
	token, err := join.NewServerToken(authorityOf(t, first))
	if err != nil {
		t.Fatal(err)
	}
	found, err := gatherShared(first, choices)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := found.seal(token.Key)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("PRIVATE KEY")) || bytes.Contains(sealed, found.Files["ca.crt"][:40]) {
		t.Fatal("what the servers share can be read without the key")
	}
	opened, err := unseal(sealed, token)
	if err != nil {
		t.Fatal(err)
	}
	second := Paths{DataDir: t.TempDir()}
	if err := second.create(); err != nil {
		t.Fatal(err)
	}
	if err := opened.write(second); err != nil {
		t.Fatal(err)
	}
	if err := ensureCertificates(second, "b", net.IPv4(192, 0, 2, 2), time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := ensureEncryption(second, bytes.NewReader(bytes.Repeat([]byte{1}, 32))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ca.crt", "ca.key", "front-proxy-ca.crt", "front-proxy-ca.key", "sa.key", "sa.pub", encryptionFile} {
		same(t, first.pkiFile(name), second.pkiFile(name), true)
	}
	same(t, first.pkiFile("apiserver.key"), second.pkiFile("apiserver.key"), false)
	own := sharedEtcd(second, opened.Etcd)
	same(t, choices.Etcd.CAFile, own.CAFile, true)
	same(t, choices.Etcd.CertFile, own.CertFile, true)
	same(t, choices.Etcd.KeyFile, own.KeyFile, true)
	if own.String() != choices.Etcd.String() {
		t.Errorf("the second server's etcd is at %s", own)
	}
	serving, err := certutil.CertsFromFile(second.pkiFile("apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := serving[0].CheckSignatureFrom(authorityOf(t, first)); err != nil {
		t.Errorf("the first server's authority has not signed the second's certificate: %v", err)
	}
}

func same(t *testing.T, a, b string, want bool) {
	t.Helper()
	first, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, second) != want {
		t.Errorf("%s and %s are the same: %v", a, b, !want)
	}
	if info, err := os.Stat(b); err != nil || info.Mode().Perm()&0o077 != 0 && strings.HasSuffix(b, ".key") {
		t.Errorf("%s: %v, mode %v", b, err, info.Mode())
	}
}

// What was sealed for another key or another cluster is refused, and what is not whole.
func TestUnsealRefuses(t *testing.T) {
	paths, choices := firstServer(t)
	others, _ := firstServer(t)
	token, err := join.NewServerToken(authorityOf(t, paths))
	if err != nil {
		t.Fatal(err)
	}
	another, err := join.NewServerToken(authorityOf(t, paths))
	if err != nil {
		t.Fatal(err)
	}
	whole, err := gatherShared(paths, choices)
	if err != nil {
		t.Fatal(err)
	}
	lacking, err := gatherShared(paths, choices)
	if err != nil {
		t.Fatal(err)
	}
	delete(lacking.Files, "sa.key")
	for _, test := range []struct {
		name  string
		of    shared
		token join.Token
		says  string
	}{
		{"as it should be", whole, token, ""},
		{"another token's key", whole, another, "does not open"},
		{"another cluster's authority", whole, join.Token{Key: token.Key, Pin: join.PinOf(authorityOf(t, others))}, "another cluster"},
		{"a server that does not tell all", lacking, token, "sa.key"},
	} {
		sealed, err := test.of.seal(token.Key)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := unseal(sealed, test.token); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
		sealed[len(sealed)-1] ^= 1
		if _, err := unseal(sealed, test.token); err == nil {
			t.Errorf("%s, and damaged: it was taken", test.name)
		}
	}
}

// Killed at any point, a directory has the cluster's authority only when it has all else.
func TestSharedIsWrittenInOrder(t *testing.T) {
	paths, choices := firstServer(t)
	whole, err := gatherShared(paths, choices)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range sharedFiles[:len(sharedFiles)-1] {
		second := Paths{DataDir: t.TempDir()}
		if err := second.create(); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(second.pkiFile(name), 0o700); err != nil { // so that writing ends there
			t.Fatal(err)
		}
		if err := whole.write(second); err == nil {
			t.Fatalf("%s was written over a directory", name)
		}
		if _, err := clusterAuthority(second); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("ended at file %d (%s), it has the authority: %v", i, name, err)
		}
	}
}

func TestCheckManyServers(t *testing.T) {
	for _, test := range []struct {
		name string
		etcd []string
		says string
	}{
		{"etcd of its own", nil, "docs/external.md"},
		{"on this machine alone", []string{"https://127.0.0.1:2379"}, "other machines cannot"},
		{"by name on this machine alone", []string{"https://localhost:2379"}, "other machines cannot"},
		{"one member of three on this machine alone", []string{"https://192.0.2.1:2379", "https://127.0.0.2:2379"}, "127.0.0.2"},
		{"elsewhere", []string{"https://192.0.2.1:2379", "https://etcd-2:2379"}, ""},
	} {
		err := checkManyServers(Choices{Etcd: EtcdAccess{Servers: test.etcd}})
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestCheckUnused: a data directory that has another use does not become a server's.
func TestCheckUnused(t *testing.T) {
	paths, choices := firstServer(t)
	pin := join.PinOf(authorityOf(t, paths))
	others, _ := firstServer(t)
	fresh := Paths{DataDir: t.TempDir()}
	for _, test := range []struct {
		name    string
		paths   Paths
		choices Choices
		says    string
	}{
		{"a fresh machine", fresh, Choices{}, ""},
		{"one that was killed while it joined", fresh, choices, ""},
		{"a server of this cluster, once more", paths, choices, ""},
		{"a cluster of its own", others, Choices{}, "mainstay down --purge"},
		{"a node", fresh, Choices{Server: "https://192.0.2.1:6443"}, "mainstay leave"},
	} {
		err := checkUnused(test.paths, Config{Choices: test.choices}, pin)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
