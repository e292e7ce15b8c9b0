package join

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"time"

	certificates "k8s.io/api/certificates/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/certificate/csr"
	"k8s.io/client-go/util/keyutil"

	certutil "k8s.io/client-go/util/cert"
)

// ClientUsages are those of a certificate that shows a server who its client is.
var ClientUsages = []certificates.KeyUsage{certificates.UsageDigitalSignature, certificates.UsageClientAuth}

// signing is how long the cluster may take to sign.
const signing = 30 * time.Second

// Request asks the cluster for a client certificate, and returns it and its key in
// PEM. The key never leaves this machine.
func Request(ctx context.Context, client kubernetes.Interface, signer string, subject pkix.Name) (cert, key []byte, err error) {
	key, err = keyutil.MakeEllipticPrivateKeyPEM()
	if err != nil {
		return nil, nil, err
	}
	private, err := keyutil.ParsePrivateKeyPEM(key)
	if err != nil {
		return nil, nil, err
	}
	request, err := certutil.MakeCSRFromTemplate(private, &x509.CertificateRequest{Subject: subject})
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, signing)
	defer cancel()
	name, uid, err := csr.RequestCertificateWithContext(ctx, client, request, "", signer, nil, ClientUsages, private)
	if err != nil {
		return nil, nil, err
	}
	cert, err = csr.WaitForCertificate(ctx, client, name, uid)
	if err != nil {
		return nil, nil, fmt.Errorf("the cluster has not signed the certificate request %s: %w", name, err)
	}
	return cert, key, nil
}
