package engine

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	certutil "k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
	kubeadmapi "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pkiutil"

	"github.com/mainstay-io/mainstay/internal/fence/agent"
)

const (
	authorityLifetime   = 10 * 365 * 24 * time.Hour
	certificateLifetime = 365 * 24 * time.Hour
	// A certificate is made anew when it is this close to its end, so an engine
	// that starts once in nine months never meets an expired one.
	renewBefore = 90 * 24 * time.Hour
)

// authority is a certificate authority and what it signs. The layout below pki/
// is kubeadm's, so that its documentation holds here too.
type authority struct {
	name         string
	commonName   string
	certificates []certificate
}

type certificate struct {
	name         string
	commonName   string
	organization string
	server       bool
	client       bool
	// every machine has one, for a part that runs on each; the others are the server's
	everywhere bool
}

// authorities lists every certificate of a node, with the identity that RBAC sees.
func authorities(nodeName string) []authority {
	return []authority{
		{name: "ca", commonName: "kubernetes", certificates: []certificate{
			{name: "apiserver", commonName: "kube-apiserver", server: true},
			{name: "apiserver-kubelet-client", commonName: "kube-apiserver-kubelet-client", client: true},
			{name: "kubelet-server", commonName: nodeUser(nodeName), organization: user.NodesGroup, server: true},
			{name: "metrics-server", commonName: "metrics-server", server: true},
			{name: "admin", commonName: "kubernetes-admin", organization: "system:masters", client: true},
			{name: "controller-manager", commonName: "system:kube-controller-manager", client: true},
			{name: "attachdetach", commonName: attachDetachUser, client: true},
			{name: "scheduler", commonName: "system:kube-scheduler", client: true},
			{name: "kubelet", commonName: nodeUser(nodeName), organization: user.NodesGroup, client: true, everywhere: true},
			{name: "proxy", commonName: "system:kube-proxy", client: true, everywhere: true},
			{name: "network", commonName: networkUser, client: true, everywhere: true},
			{name: "dns", commonName: "mainstay:dns", client: true, everywhere: true},
			{name: "metrics", commonName: "mainstay:metrics", client: true},
			{name: "petset", commonName: "mainstay:petset", client: true},
			{name: "volume", commonName: "mainstay:volume", client: true, everywhere: true},
			{name: "snapshot", commonName: "mainstay:snapshot", client: true},
			{name: "sidecars", commonName: sidecarsUser, client: true, everywhere: true},
			{name: "machines", commonName: machinesUser, client: true},
			{name: "keeper", commonName: keeperUser(nodeName), organization: keepersGroup, client: true, everywhere: true},
			{name: "judge", commonName: agent.JudgeUser, client: true},
		}},
		{name: "front-proxy-ca", commonName: "front-proxy-ca", certificates: []certificate{
			{name: "front-proxy-client", commonName: "front-proxy-client", client: true},
		}},
		{name: "etcd/ca", commonName: "etcd-ca", certificates: []certificate{
			{name: "etcd/server", commonName: "etcd-server", server: true, client: true},
			{name: "etcd/peer", commonName: "etcd-peer", server: true, client: true},
			{name: "apiserver-etcd-client", commonName: "kube-apiserver-etcd-client", client: true},
		}},
	}
}

// kubeconfigs are the clients that read their identity from a file.
var kubeconfigs = []string{"controller-manager", "attachdetach", "scheduler", "kubelet", "proxy", "network", "dns", "metrics", "petset", "volume", "snapshot", "sidecars", "machines", "keeper", "judge"}

// nodeUser is the name under which the API server knows a node.
func nodeUser(nodeName string) string { return "system:node:" + nodeName }

// ensureCertificates makes what is missing, near its end, or does not name this
// machine's addresses any more. An authority is made once and never replaced.
func ensureCertificates(paths Paths, nodeName string, nodeIP net.IP, now time.Time) error {
	names := certutil.AltNames{
		DNSNames: []string{
			"localhost", nodeName, "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc." + ClusterDomain,
			metricsService + ".kube-system.svc",
		},
		IPs: []net.IP{net.ParseIP("127.0.0.1"), nodeIP, net.ParseIP(apiServiceIP)},
	}
	for _, ca := range authorities(nodeName) {
		caCert, caKey, err := ensureAuthority(paths.pki(), ca, now)
		if err != nil {
			return fmt.Errorf("certificate authority %s: %w", ca.commonName, err)
		}
		for _, c := range ca.certificates {
			if err := ensureCertificate(paths.pki(), c, names, caCert, caKey, now); err != nil {
				return fmt.Errorf("certificate %s: %w", c.name, err)
			}
		}
	}
	if err := ensureServiceAccountKey(paths.pki()); err != nil {
		return fmt.Errorf("service account key: %w", err)
	}
	if err := writeAPIServerChain(paths); err != nil {
		return err
	}
	return writeKubeconfigs(paths)
}

// apiServerChain holds the API server's certificate and its authority's. A machine
// that joins knows no more than the hash of the authority's key: it finds the rest here.
const apiServerChain = "apiserver-chain.crt"

func writeAPIServerChain(paths Paths) error {
	var chain []byte
	for _, name := range []string{"apiserver.crt", "ca.crt"} {
		content, err := os.ReadFile(paths.pkiFile(name))
		if err != nil {
			return err
		}
		chain = append(chain, content...)
	}
	return writeFile(paths.pkiFile(apiServerChain), chain)
}

func ensureAuthority(dir string, ca authority, now time.Time) (*x509.Certificate, crypto.Signer, error) {
	if pkiutil.CertOrKeyExist(dir, ca.name) {
		return pkiutil.TryLoadCertAndKeyFromDisk(dir, ca.name)
	}
	cert, key, err := pkiutil.NewCertificateAuthority(&pkiutil.CertConfig{
		Config:              certutil.Config{CommonName: ca.commonName, NotBefore: now},
		NotAfter:            now.Add(authorityLifetime),
		EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
	})
	if err != nil {
		return nil, nil, err
	}
	return cert, key, pkiutil.WriteCertAndKey(dir, ca.name, cert, key)
}

func ensureCertificate(dir string, c certificate, names certutil.AltNames, ca *x509.Certificate, caKey crypto.Signer, now time.Time) error {
	if current, _, err := pkiutil.TryLoadCertAndKeyFromDisk(dir, c.name); err == nil && serves(current, c, names, now) {
		return nil
	}
	config := &pkiutil.CertConfig{
		Config:              certutil.Config{CommonName: c.commonName},
		NotAfter:            now.Add(certificateLifetime),
		EncryptionAlgorithm: kubeadmapi.EncryptionAlgorithmECDSAP256,
	}
	if c.organization != "" {
		config.Organization = []string{c.organization}
	}
	if c.server {
		config.Usages = append(config.Usages, x509.ExtKeyUsageServerAuth)
		config.AltNames = names
	}
	if c.client {
		config.Usages = append(config.Usages, x509.ExtKeyUsageClientAuth)
	}
	cert, key, err := pkiutil.NewCertAndKey(ca, caKey, config)
	if err != nil {
		return err
	}
	return pkiutil.WriteCertAndKey(dir, c.name, cert, key)
}

// serves tells whether a certificate on disk still does for what it is wanted.
func serves(cert *x509.Certificate, want certificate, names certutil.AltNames, now time.Time) bool {
	if now.Add(renewBefore).After(cert.NotAfter) || cert.Subject.CommonName != want.commonName {
		return false
	}
	if !want.server {
		return true
	}
	for _, name := range names.DNSNames {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	for _, ip := range names.IPs {
		if cert.VerifyHostname(ip.String()) != nil {
			return false
		}
	}
	return true
}

// ensureServiceAccountKey makes the key that signs the tokens of service accounts.
func ensureServiceAccountKey(dir string) error {
	private, public := filepath.Join(dir, "sa.key"), filepath.Join(dir, "sa.pub")
	if _, err := os.Stat(public); err == nil {
		return nil // written last, so the private key is there too
	}
	key, err := pkiutil.GeneratePrivateKey(kubeadmapi.EncryptionAlgorithmECDSAP256)
	if err != nil {
		return err
	}
	encoded, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return err
	}
	if err := keyutil.WriteKey(private, encoded); err != nil {
		return err
	}
	return pkiutil.WritePublicKey(dir, "sa", key.Public())
}

// writeKubeconfigs writes the administrator's kubeconfig, which is complete in
// itself so that it can be copied to another machine, and the components', which
// point at their certificates.
func writeKubeconfigs(paths Paths) error {
	ca, err := os.ReadFile(paths.pkiFile("ca.crt"))
	if err != nil {
		return err
	}
	cert, err := os.ReadFile(paths.pkiFile("admin.crt"))
	if err != nil {
		return err
	}
	key, err := os.ReadFile(paths.pkiFile("admin.key"))
	if err != nil {
		return err
	}
	admin := &clientcmdapi.AuthInfo{ClientCertificateData: cert, ClientKeyData: key}
	if err := writeKubeconfig(paths.Kubeconfig(), ownServer, ca, "admin", admin); err != nil {
		return err
	}
	for _, who := range kubeconfigs {
		user := &clientcmdapi.AuthInfo{
			ClientCertificate: paths.pkiFile(who + ".crt"), ClientKey: paths.pkiFile(who + ".key"), AuthProvider: providerOf(who),
		}
		if err := writeKubeconfig(paths.kubeconfigOf(who), ownServer, ca, who, user); err != nil {
			return err
		}
	}
	return nil
}

// ownServer is where the parts of a server reach its API.
var ownServer = fmt.Sprintf("https://127.0.0.1:%d", APIPort)

func writeKubeconfig(file, server string, ca []byte, who string, user *clientcmdapi.AuthInfo) error {
	config := clientcmdapi.NewConfig()
	config.Clusters["mainstay"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[who] = user
	config.Contexts["mainstay"] = &clientcmdapi.Context{Cluster: "mainstay", AuthInfo: who}
	config.CurrentContext = "mainstay"
	return clientcmd.WriteToFile(*config, file) // mode 0600
}
