package engine

import "testing"

// Every object must be complete: a wrong template would only show in a cluster.
func TestAddonsAreObjects(t *testing.T) {
	objects, err := addonObjects(map[string]any{
		"JoinGroup": joinGroup, "DNSService": nameService, "DNSServiceIP": dnsServiceIP, "DNSPort": dnsPort,
		"MetricsService": metricsService, "MetricsPort": metricsPort, "CABundle": "YWJj",
	})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, object := range objects {
		key := object.GetKind() + " " + object.GetNamespace() + "/" + object.GetName()
		if object.GetAPIVersion() == "" || object.GetKind() == "" || object.GetName() == "" {
			t.Errorf("incomplete: %v", object.Object)
		}
		if seen[key] {
			t.Errorf("%s stands there twice", key)
		}
		seen[key] = true
	}
	for _, key := range []string{"Service kube-system/kube-dns", "ClusterRole /mainstay:petset", "ClusterRole /mainstay:snapshot", "ClusterRole /mainstay:snapshot-edit", "ClusterRole /mainstay:sidecars", "ClusterRole /mainstay:machines", "Role kube-system/mainstay:machines", "ClusterRole /mainstay:network", "ClusterRoleBinding /mainstay:join:request", "Role kube-system/mainstay:sidecars", "CSIDriver /volume.mainstay.dev", "CustomResourceDefinition /petsets.mainstay.dev"} {
		if !seen[key] {
			t.Errorf("%s is missing", key)
		}
	}
}
