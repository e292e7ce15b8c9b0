package engine

import (
	"net"
	"os"
	"testing"
	"time"

	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"
)

func TestCertificatesAreMadeOnceAndRenewedInTime(t *testing.T) {
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	address, other := net.IPv4(192, 0, 2, 1), net.IPv4(192, 0, 2, 9)
	serial := func(name string) string {
		t.Helper()
		cert, _, err := pkiutil.TryLoadCertAndKeyFromDisk(paths.pki(), name)
		if err != nil {
			t.Fatal(err)
		}
		return cert.SerialNumber.String()
	}
	ensure := func(ip net.IP, now time.Time) {
		t.Helper()
		if err := ensureCertificates(paths, "node", ip, now); err != nil {
			t.Fatal(err)
		}
	}
	ensure(address, start)
	authority, server, client := serial("ca"), serial("apiserver"), serial("scheduler")

	for _, step := range []struct {
		name           string
		ip             net.IP
		now            time.Time
		server, client bool // whether each is made anew
	}{
		{"at the next start nothing changes", address, start.Add(time.Hour), false, false},
		{"another address: servers are made anew", other, start.Add(time.Hour), true, false},
		{"nine months later all is made anew", other, start.Add(certificateLifetime - renewBefore + time.Hour), true, true},
	} {
		ensure(step.ip, step.now)
		if got := serial("apiserver") != server; got != step.server {
			t.Errorf("%s: the server's certificate was made anew: %v", step.name, got)
		}
		if got := serial("scheduler") != client; got != step.client {
			t.Errorf("%s: the client's certificate was made anew: %v", step.name, got)
		}
		if serial("ca") != authority {
			t.Errorf("%s: the authority was replaced, and all that it signed is void", step.name)
		}
		server, client = serial("apiserver"), serial("scheduler")
	}
}

func TestKeysAreForRootAlone(t *testing.T) {
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	if err := ensureCertificates(paths, "node", net.IPv4(192, 0, 2, 1), time.Now()); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{paths.Kubeconfig(), paths.kubeconfigOf("kubelet"), paths.pkiFile("ca.key"), paths.pkiFile("sa.key"), paths.pkiFile("etcd/ca.key")} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", file, info.Mode())
		}
	}
}
