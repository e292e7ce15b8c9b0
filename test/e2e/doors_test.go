package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// pathsWorthTrying give something away wherever they are answered.
var pathsWorthTrying = []string{
	"/", "/api", "/api/v1/secrets", "/apis", "/pods", "/runningpods/", "/metrics", "/stats/summary", "/configz", "/logs/",
	"/debug/pprof/", "/version", "/openapi/v2", "/v3/kv/range", "/v2/keys", "/health",
	"/apis/metrics.k8s.io/v1beta1/nodes", "/exec/default/web-0/web?command=id", "/proxyMode",
}

// tryDoors tries, without credentials, everything that listens on the host.
func tryDoors(t *testing.T, h *hosts.Host) {
	doors := listening(t, h)
	if len(doors) < 4 {
		t.Fatalf("only %v listen; the test does not see the engine", doors)
	}
	t.Logf("trying %v", doors)
	for _, door := range doors {
		if strings.HasSuffix(door, ":10053") {
			continue // DNS, on an address that only pods and this machine reach
		}
		for _, scheme := range []string{"http", "https"} {
			for _, path := range pathsWorthTrying {
				status, body := knock(h, scheme+"://"+door+path)
				// 400 is what a TLS port says to somebody who speaks no TLS. 404 is
				// containerd's streaming port, where every path is a secret of its own.
				if status != 0 && status != http.StatusUnauthorized && status != http.StatusForbidden &&
					status != http.StatusBadRequest && status != http.StatusNotFound {
					t.Errorf("%s://%s%s answers %d to somebody without credentials: %.80q", scheme, door, path, status, body)
				}
			}
		}
	}
	for _, path := range []string{"/livez", "/readyz", "/healthz"} {
		if status, _ := knock(h, "https://"+h.IP.String()+":6443"+path); status != http.StatusOK {
			t.Errorf("%s should be answered to anybody, but the answer is %d", path, status)
		}
	}
}

// listening returns the TCP addresses on which anything on the host listens.
func listening(t *testing.T, h *hosts.Host) []string {
	t.Helper()
	var doors []string
	for _, line := range strings.Split(h.Output(t, "ss", "--no-header", "--listening", "--tcp", "--numeric"), "\n") {
		address := strings.Fields(line)[3]
		address = strings.Replace(address, "*:", h.IP.String()+":", 1)
		address = strings.Replace(address, "0.0.0.0:", h.IP.String()+":", 1)
		doors = append(doors, address)
	}
	slices.Sort(doors)
	return slices.Compact(doors)
}

// knock returns the status and the start of the answer; 0 where no HTTP comes.
func knock(h *hosts.Host, url string) (int, string) {
	client := http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext:       func(ctx context.Context, _, address string) (net.Conn, error) { return h.Dial(ctx, address) },
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // a burglar does not check certificates
	}}
	response, err := client.Get(url)
	if err != nil {
		return 0, fmt.Sprint(err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 200))
	return response.StatusCode, string(body)
}
