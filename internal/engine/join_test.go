package engine

import (
	"os"
	"strings"
	"testing"
	"time"

	certutil "k8s.io/client-go/util/cert"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// TestCheckUnjoined: a data directory belongs to one cluster.
func TestCheckUnjoined(t *testing.T) {
	config := &pkiutil.CertConfig{Config: certutil.Config{CommonName: "kubernetes"}, EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256}
	ours, key, err := pkiutil.NewCertificateAuthority(config)
	if err != nil {
		t.Fatal(err)
	}
	others, _, err := pkiutil.NewCertificateAuthority(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name    string
		prepare func(pki string) error
		says    string
	}{
		{"a fresh machine", func(string) error { return nil }, ""},
		{"one that did not finish joining this cluster", func(pki string) error { return pkiutil.WriteCert(pki, "ca", ours) }, ""},
		{"a node of another cluster", func(pki string) error { return pkiutil.WriteCert(pki, "ca", others) }, "mainstay leave"},
		{"a server", func(pki string) error { return pkiutil.WriteCertAndKey(pki, "ca", ours, key) }, "mainstay down --purge"},
	} {
		paths := Paths{DataDir: t.TempDir()}
		if err := os.MkdirAll(paths.pki(), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := test.prepare(paths.pki()); err != nil {
			t.Fatal(err)
		}
		if err := checkUnjoined(paths, join.PinOf(ours)); (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestCheckIdentity: a machine that its cluster would not know says so at once.
func TestCheckIdentity(t *testing.T) {
	paths := Paths{DataDir: t.TempDir()}
	if err := paths.create(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	config := Config{DataDir: paths.DataDir, NodeName: "a", Choices: Choices{Server: "https://192.0.2.1:6443"}}
	check := func(name string, config Config, now time.Time, says string) {
		t.Helper()
		if err := checkIdentity(config, paths, now); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	check("killed before it had one", config, now, "has not finished joining")

	ca, key, err := ensureAuthority(t.TempDir(), authorities("a")[0], now)
	if err != nil {
		t.Fatal(err)
	}
	signed := t.TempDir()
	kubelet := partsEverywhere("a")[0]
	if err := ensureCertificate(signed, kubelet, certutil.AltNames{}, ca, key, now); err != nil {
		t.Fatal(err)
	}
	store, err := kubelet.store(paths)
	if err != nil {
		t.Fatal(err)
	}
	var pem [2][]byte
	for i, file := range []string{kubelet.name + ".crt", kubelet.name + ".key"} {
		if pem[i], err = os.ReadFile(signed + "/" + file); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Update(pem[0], pem[1]); err != nil {
		t.Fatal(err)
	}
	check("as it should be", config, now, "")
	check("off for a year", config, now.Add(certificateLifetime+time.Hour), "ended on")
	config.NodeName = "b"
	check("under another name", config, now, "its name cannot change")
}

// Every machine has these parts, and no other: none of them may act for the cluster.
func TestPartsEverywhere(t *testing.T) {
	var names []string
	for _, part := range partsEverywhere("a") {
		if !part.client || part.server {
			t.Errorf("%s is no client", part.name)
		}
		names = append(names, part.commonName)
	}
	if got := strings.Join(names, " "); got != "system:node:a system:kube-proxy mainstay:network mainstay:dns mainstay:volume mainstay:sidecars mainstay:keeper:a" {
		t.Errorf("every machine gets %s", got)
	}
}
