package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/controller-manager/pkg/informerfactory"
	"k8s.io/kubernetes/pkg/controller/garbagecollector"

	"github.com/mainstay-io/mainstay/test/hosts"
)

// tryAdoptOnStock takes a StatefulSet of upstream's controller to ours and back,
// with upstream's garbage collection. A replica of ours must lead.
func tryAdoptOnStock(t *testing.T, c *stockCluster) {
	c.startGarbageCollection(t)
	c.kubectl(t, strings.ReplaceAll(adoptSet, "terminationGracePeriodSeconds: 0", "terminationGracePeriodSeconds: 1"), "apply", "-f", "-")
	c.waitSettled(t, "statefulset/adoptee", 2, hosts.BusyboxImage)
	before := len(c.nodes.livesOf("adoptee-0")) + len(c.nodes.livesOf("adoptee-1"))
	for _, way := range []struct{ from, to, kind string }{
		{"statefulset/adoptee", "petset/adoptee", "PetSet"},
		{"petset/adoptee", "statefulset/adoptee", "StatefulSet"},
	} {
		c.waitClaims(t, strings.TrimSuffix(way.from, "/adoptee"))
		command := exec.Command(os.Getenv("MAINSTAY_BINARY"), "adopt", way.from, "--timeout=60s",
			"--kubeconfig", c.kubeconfig(t, "administrator", stockAdministrator), "--cache-dir", c.file("kubectl-cache"))
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("adopt %s: %v\n%s", way.from, err, output)
		}
		t.Logf("adopt %s says:\n%s", way.from, output)
		c.waitSettled(t, way.to, 2, hosts.BusyboxImage)
		c.waitClaims(t, strings.ToLower(way.kind))
		if now := len(c.nodes.livesOf("adoptee-0")) + len(c.nodes.livesOf("adoptee-1")); now != before {
			t.Errorf("adopt %s: two pods have had %d lives", way.from, now)
		}
	}
}

// waitClaims waits until both claims go with a set of that kind.
func (c *stockCluster) waitClaims(t *testing.T, kind string) {
	t.Helper()
	hosts.Eventually(t, 20*time.Second, func(ctx context.Context) error {
		list, err := c.client.CoreV1().PersistentVolumeClaims("default").List(ctx, metav1.ListOptions{LabelSelector: "app=adoptee"})
		if err != nil {
			return err
		}
		owners := ""
		for _, claim := range list.Items {
			for _, owner := range claim.OwnerReferences {
				owners += " " + strings.ToLower(owner.Kind)
			}
		}
		if want := " " + kind + " " + kind; owners != want {
			return fmt.Errorf("the owners of the claims are%s, not%s", owners, want)
		}
		return nil
	})
}

// startGarbageCollection runs upstream's own until the test ends.
func (c *stockCluster) startGarbageCollection(t *testing.T) {
	t.Helper()
	access := &rest.Config{Host: c.host, BearerToken: stockAdministrator, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAFile: c.file("ca.crt")}}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := metadata.NewForConfig(access)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	typed, untyped := informers.NewSharedInformerFactory(client, 0), metadatainformer.NewSharedInformerFactory(objects, 0)
	started := make(chan struct{})
	close(started)
	collector, err := garbagecollector.NewGarbageCollector(ctx, client, objects,
		restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(client.Discovery())),
		garbagecollector.DefaultIgnoredResources(), informerfactory.NewInformerFactory(typed, untyped), started)
	if err != nil {
		t.Fatal(err)
	}
	typed.Start(ctx.Done())
	untyped.Start(ctx.Done())
	go collector.Run(ctx, 2, time.Second)
	go collector.Sync(ctx, client.Discovery(), time.Second)
}
