package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/mainstay-io/mainstay/test/hosts"
)

func trySecretsAtRest(t *testing.T, h *hosts.Host) {
	const secret = "a word that must not be found on the disk"
	h.Kubectl(t, "create", "secret", "generic", "word", "--from-literal=word="+secret)
	stored := readEtcd(t, h, "/registry/secrets/default/word")
	if !strings.HasPrefix(stored, "k8s:enc:secretbox:v1:") || strings.Contains(stored, secret) {
		t.Errorf("etcd holds the secret as %.40q…", stored)
	}
	_ = filepath.WalkDir(filepath.Join(h.DataDir, "log"), func(path string, entry os.DirEntry, _ error) error {
		if content, err := os.ReadFile(path); err == nil && !entry.IsDir() && strings.Contains(string(content), secret) {
			t.Errorf("%s holds the secret", path)
		}
		return nil
	})
}

// readEtcd reads a key past the API server, with the API server's certificate.
func readEtcd(t *testing.T, h *hosts.Host, key string) string {
	t.Helper()
	pki := filepath.Join(h.DataDir, "pki")
	tls, err := transport.TLSInfo{
		CertFile: filepath.Join(pki, "apiserver-etcd-client.crt"), KeyFile: filepath.Join(pki, "apiserver-etcd-client.key"),
		TrustedCAFile: filepath.Join(pki, "etcd", "ca.crt"),
	}.ClientConfig()
	if err != nil {
		t.Fatal(err)
	}
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{"https://127.0.0.1:2379"}, TLS: tls, DialTimeout: 5 * time.Second, Logger: zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(h.Dial)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	response, err := client.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if len(response.Kvs) != 1 {
		t.Fatalf("etcd has no %s", key)
	}
	return string(response.Kvs[0].Value)
}
