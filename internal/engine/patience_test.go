package engine

import (
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A part that upstream makes a client for from its kubeconfig, and that must not miss what
// changes, waits for a server that is away; others are told.
func TestPatientParts(t *testing.T) {
	before := httptest.NewTLSServer(nil)
	address, ca := before.Listener.Addr().String(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: before.Certificate().Raw})
	before.Close() // all of httptest have that certificate
	list := func(who string) error {
		file := filepath.Join(t.TempDir(), who)
		if err := writeKubeconfig(file, "https://"+address, ca, who, &clientcmdapi.AuthInfo{AuthProvider: providerOf(who)}); err != nil {
			t.Fatal(err)
		}
		access, err := clientcmd.BuildConfigFromFlags("", file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = kubernetes.NewForConfigOrDie(access).CoreV1().Services("").List(t.Context(), metav1.ListOptions{ResourceVersion: "0"})
		return err
	}
	if list("volume") == nil {
		t.Fatal("nobody is there, and answers")
	}
	answered := make(chan error, 2)
	for _, who := range []string{"dns", "proxy"} {
		go func() { answered <- list(who) }()
	}
	select {
	case err := <-answered:
		t.Fatalf("a part did not wait: %v", err)
	case <-time.After(2 * tryAgain):
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"ServiceList","apiVersion":"v1"}`)
	}))
	server.Listener.Close()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	server.Listener = listener
	server.StartTLS()
	defer server.Close()
	for range 2 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
}
