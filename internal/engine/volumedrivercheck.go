package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	authorization "k8s.io/api/authorization/v1"
	storage "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
	"github.com/mainstay-io/mainstay/internal/volume/driver"
)

const (
	howToInstallVolumes = "mainstay volume-driver manifests | kubectl apply -f -"
	// volumeCheckPause is how often a cluster is looked at that lacks something.
	volumeCheckPause = 5 * time.Second
)

// volumeCluster looks whether a cluster has what the driver of volumes needs.
// What it lacks keeps nobody from unmounting, so the driver does not end for it;
// it is not ready.
type volumeCluster struct {
	access *rest.Config
	lacks  atomic.Pointer[error] // nil before the first look
}

// problem is what keeps the driver from being ready.
func (c *volumeCluster) problem() error {
	if lacks := c.lacks.Load(); lacks != nil {
		return *lacks
	}
	return errors.New("the cluster has not been looked at yet")
}

// watch looks until nothing is missing any more, and waits for ctx to end.
func (c *volumeCluster) watch(ctx context.Context) error {
	client, err := kubernetes.NewForConfig(c.access)
	if err != nil {
		return err
	}
	told := ""
	return wait.PollUntilContextCancel(ctx, volumeCheckPause, true, func(ctx context.Context) (bool, error) {
		err := checkVolumeCluster(ctx, client, c.access.Host)
		c.lacks.Store(&err)
		if err != nil && err.Error() != told {
			told = err.Error()
			klog.FromContext(ctx).Error(err, "The driver serves kubelet, but not claims yet")
		}
		if err == nil {
			<-ctx.Done()
		}
		return false, nil
	})
}

func checkVolumeCluster(ctx context.Context, client kubernetes.Interface, host string) error {
	for _, needed := range []struct{ groupVersion, kind, otherwise string }{
		{storage.SchemeGroupVersion.String(), "VolumeAttributesClass", "the driver of volumes needs Kubernetes 1.34 or later"},
		{v1alpha1.GroupVersion.String(), "Pool", "install its definition with: " + howToInstallVolumes},
	} {
		kinds, err := client.Discovery().ServerResourcesForGroupVersion(needed.groupVersion)
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("ask the Kubernetes at %s for its kinds: %w", host, err)
		}
		if err != nil || !knowsKind(kinds, needed.kind) {
			return fmt.Errorf("the Kubernetes at %s does not know the kind %s: %s", host, needed.kind, needed.otherwise)
		}
	}
	var requests []authorization.ResourceAttributes
	for _, rule := range driver.Rules() {
		if !strings.Contains(rule.APIGroups[0], "snapshot") { // which a cluster need not have
			requests = append(requests, requestsOf(rule, "")...)
		}
	}
	refused, err := refusedAccess(ctx, client, requests)
	if err != nil || len(refused) == 0 {
		return err
	}
	return fmt.Errorf("the driver of volumes may not do at %s what it needs:\n  %s\nBind its account to the role %s: %s",
		host, strings.Join(describeAccess(refused), "\n  "), volumeRole, howToInstallVolumes)
}
