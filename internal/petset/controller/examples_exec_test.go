package controller

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// execs plays the part of kubelet that runs commands in pods. It notes them.
type execs struct {
	client kubernetes.Interface
	mu     sync.Mutex
	ran    map[string]string
}

func (e *execs) in(pod string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ran[pod]
}

// ExecInContainer succeeds in a pod that nobody has deleted yet. Its name is
// NAMESPACE/NAME.
func (e *execs) ExecInContainer(ctx context.Context, name, _, container string, command []string, _ io.Reader, out, _ io.WriteCloser,
	_ bool, _ <-chan remotecommand.TerminalSize, _ time.Duration) error {
	namespace, pod, _ := strings.Cut(name, "/")
	got, err := e.client.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil || got.DeletionTimestamp != nil {
		return fmt.Errorf("pod %s does not run any more: %w", name, err)
	}
	e.mu.Lock()
	e.ran[name] += container + ": " + strings.Join(command, " ")
	e.mu.Unlock()
	_, err = fmt.Fprintln(out, "done")
	return err
}

// startExec lets the API server find the commands' server at the played node.
func startExec(t *testing.T, client kubernetes.Interface) *execs {
	t.Helper()
	e := &execs{client: client, ran: map[string]string{}}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.Split(r.URL.Path, "/") // /exec/NAMESPACE/POD/CONTAINER
		options, err := remotecommand.NewOptions(r)
		if err != nil || len(path) != 5 {
			http.Error(w, fmt.Sprint(r.URL, ": ", err), http.StatusBadRequest)
			return
		}
		remotecommand.ServeExec(w, r, e, path[2]+"/"+path[3], "", path[4], r.URL.Query()["command"], options,
			time.Minute, time.Minute, remotecommand.SupportedStreamingProtocols)
	}))
	t.Cleanup(server.Close)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	patch := fmt.Sprintf(`{"status":{"addresses":[{"type":"InternalIP","address":%q}],"daemonEndpoints":{"kubeletEndpoint":{"Port":%s}}}}`, address.Hostname(), address.Port())
	if _, err := client.CoreV1().Nodes().Patch(t.Context(), "node", types.MergePatchType, []byte(patch), metav1.PatchOptions{}, "status"); err != nil {
		t.Fatal(err)
	}
	return e
}
