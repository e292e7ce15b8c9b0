package agent

import (
	"crypto/tls"
	"crypto/x509"
)

// ServerTLS is how a member is asked: by those whose certificates the authorities have
// signed. own is read again for each connection, since certificates are renewed.
func ServerTLS(authorities *x509.CertPool, own func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: authorities,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return own() },
	}
}

// ClientTLS is how a member, or a judge, asks a member.
func ClientTLS(authorities *x509.CertPool, own func() (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: authorities,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return own() },
	}
}
