package join

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// issue makes a certificate; one without an issuer is an authority.
func issue(t *testing.T, issuer *pair, template x509.Certificate) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	if issuer == nil {
		template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
		issuer = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return pair{cert, key}
}

// TestReach meets servers that are and are not the one that was pinned. None of them
// but the pinned one may even see a request.
func TestReach(t *testing.T) {
	authority, stranger := issue(t, nil, x509.Certificate{}), issue(t, nil, x509.Certificate{})
	serving := x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	good, forged := issue(t, &authority, serving), issue(t, &stranger, serving)
	elsewhere := issue(t, &authority, x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}, ExtKeyUsage: serving.ExtKeyUsage})
	client := issue(t, &authority, x509.Certificate{IPAddresses: serving.IPAddresses, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	for _, test := range []struct {
		name   string
		leaf   pair
		shown  *x509.Certificate
		status int
		date   time.Duration
		says   string
	}{
		{"the pinned server", good, authority.cert, http.StatusOK, 0, ""},
		{"its clock is ahead", good, authority.cert, http.StatusOK, 2 * time.Hour, ""},
		{"it is not ready", good, authority.cert, http.StatusInternalServerError, 0, "not ready"},
		{"another authority's server", forged, stranger.cert, http.StatusOK, 0, "not the server that this token is for"},
		{"somebody who shows the authority but has not its signature", forged, authority.cert, http.StatusOK, 0, "cannot talk to"},
		{"a server that does not show its authority", good, nil, http.StatusOK, 0, "not the server that this token is for"},
		{"a certificate for another address", elsewhere, authority.cert, http.StatusOK, 0, "192.0.2.1"},
		{"a client that plays server", client, authority.cert, http.StatusOK, 0, "cannot talk to"},
	} {
		asked := false
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			asked = true
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s: it was sent credentials", test.name)
			}
			w.Header().Set("Date", time.Now().Add(test.date).UTC().Format(http.TimeFormat))
			w.WriteHeader(test.status)
		}))
		chain := [][]byte{test.leaf.cert.Raw}
		if test.shown != nil {
			chain = append(chain, test.shown.Raw)
		}
		server.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: chain, PrivateKey: test.leaf.key}}}
		server.StartTLS()
		address, _ := url.Parse(server.URL)
		reached, err := Reach(t.Context(), address, PinOf(authority.cert))
		server.Close()
		switch {
		case test.says == "" && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.says == "" && (!reached.Authority.Equal(authority.cert) || (reached.Ahead-test.date).Abs() > 2*time.Second):
			t.Errorf("%s: reached %v, ahead by %v", test.name, reached.Authority.Subject, reached.Ahead)
		case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n")):
			t.Errorf("%s: %v does not say %q", test.name, err, test.says)
		case test.status == http.StatusOK && asked != (test.says == ""):
			t.Errorf("%s: asked: %v", test.name, asked)
		}
	}
}

func TestParseServer(t *testing.T) {
	for text, want := range map[string]string{
		"https://10.0.0.1:6443":       "https://10.0.0.1:6443",
		"https://db-1":                "https://db-1:6443",
		"https://10.0.0.1:6443/":      "https://10.0.0.1:6443",
		"https://[2001:db8::1]":       "https://[2001:db8::1]:6443",
		"http://10.0.0.1:6443":        "",
		"10.0.0.1:6443":               "",
		"https://":                    "",
		"https://me:word@10.0.0.1":    "",
		"https://10.0.0.1:6443/api":   "",
		"https://10.0.0.1:6443?a=b":   "",
		"https://10.0.0.1:6443:65 43": "",
	} {
		got, err := ParseServer(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v; want %q", text, got, err, want)
		}
	}
}
