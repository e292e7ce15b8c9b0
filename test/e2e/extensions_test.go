package e2e

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/cert"

	"github.com/mainstay-io/mainstay/test/hosts"
)

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: backups.example.test}
spec:
  group: example.test
  scope: Namespaced
  names: {plural: backups, singular: backup, kind: Backup}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {keep: {type: integer, minimum: 1}}}}}}
`

const backup = "apiVersion: example.test/v1\nkind: Backup\nmetadata: {name: nightly}\nspec: {keep: %d}\n"

func tryExtensions(t *testing.T, h *hosts.Host) {
	h.Apply(t, definition)
	h.Kubectl(t, "wait", "--for=condition=established", "crd/backups.example.test", "--timeout=20s")
	hosts.Eventually(t, 20*time.Second, func(context.Context) error { return apply(h, fmt.Sprintf(backup, 7)) })
	if err := apply(h, fmt.Sprintf(backup, 0)); err == nil || !strings.Contains(err.Error(), "greater than or equal to 1") {
		t.Errorf("a value that the schema forbids: %v", err)
	}
	tryDescriptions(t, h)
	tryWebhook(t, h)
}

// tryDescriptions asks what the API is like, in both versions of OpenAPI: clients
// find the built-in kinds and those that were added.
func tryDescriptions(t *testing.T, h *hosts.Host) {
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		for path, kinds := range map[string][]string{
			"/openapi/v2":                             {"io.k8s.api.apps.v1.StatefulSetSpec", "test.example.v1.Backup", "APIService"},
			"/openapi/v3/apis/apps/v1":                {"io.k8s.api.apps.v1.StatefulSetSpec"},
			"/openapi/v3/apis/example.test/v1":        {"test.example.v1.Backup"},
			"/openapi/v3/apis/metrics.k8s.io/v1beta1": {"PodMetrics"},
		} {
			output, err := h.Command("kubectl", "get", "--raw", path).Output()
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			for _, kind := range kinds {
				if !strings.Contains(string(output), kind) {
					return fmt.Errorf("%s does not describe %s", path, kind)
				}
			}
		}
		return nil
	})
	if explained := h.Kubectl(t, "explain", "backup.spec.keep"); !strings.Contains(explained, "<integer>") {
		t.Errorf("kubectl explain of an added kind: %s", explained)
	}
}

func apply(h *hosts.Host, manifest string) error {
	command := h.Command("kubectl", "apply", "-f", "-")
	command.Stdin = strings.NewReader(manifest)
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, output)
	}
	return nil
}

// tryWebhook lets the API server ask the test itself whether a ConfigMap may be.
func tryWebhook(t *testing.T, h *hosts.Host) {
	outside := net.IPv4(h.IP.To4()[0], h.IP.To4()[1], h.IP.To4()[2], 1)
	certificate, key, err := cert.GenerateSelfSignedCertKey(outside.String(), []net.IP{outside}, nil)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", net.JoinHostPort(outside.String(), "0"), &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(refuse), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	defer server.Close()

	h.Apply(t, fmt.Sprintf(`
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: refuse}
webhooks:
- name: refuse.example.test
  clientConfig: {url: "https://%s/", caBundle: %s}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  objectSelector: {matchLabels: {refuse: "yes"}}
  sideEffects: None
  admissionReviewVersions: [v1]
`, listener.Addr(), base64.StdEncoding.EncodeToString(certificate)))
	hosts.Eventually(t, 20*time.Second, func(context.Context) error {
		err := apply(h, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: refused, labels: {refuse: \"yes\"}}\n")
		if err == nil {
			h.Kubectl(t, "delete", "configmap", "refused")
			return fmt.Errorf("the webhook was not asked")
		}
		if !strings.Contains(err.Error(), "the test says no") {
			return err
		}
		return nil
	})
	h.Kubectl(t, "delete", "validatingwebhookconfiguration", "refuse")
}

func refuse(w http.ResponseWriter, request *http.Request) {
	var review admissionv1.AdmissionReview
	body, _ := io.ReadAll(request.Body)
	if err := json.Unmarshal(body, &review); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Result: &metav1.Status{Message: "the test says no"}}
	_ = json.NewEncoder(w).Encode(review)
}
