package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	petsetcontroller "github.com/mainstay-io/mainstay/internal/petset/controller"
)

// Standalone is the controller of PetSets by itself, for a Kubernetes that is not
// ours. StatefulSets stay with that one's own controller.
type Standalone struct {
	// Kubeconfig says which Kubernetes; empty in a pod, for the one around it.
	Kubeconfig string
	// LeaseNamespace is where the replicas agree on the one that works; all must
	// say the same. Empty: the pod's own namespace, else kube-system.
	LeaseNamespace string
	// HealthAddress is where /healthz and /readyz are answered; empty: nowhere.
	HealthAddress string
	// MetricsAddress is where /metrics is answered, to anybody; empty: nowhere.
	MetricsAddress string
}

// Run looks after PetSets, when it is this replica's turn, until ctx ends. An error
// tells what the Kubernetes lacks, or that the lease was lost: then the process
// must end at once.
func (s Standalone) Run(ctx context.Context) error {
	ctrl.SetLogger(klog.Background())
	access, err := accessTo(s.Kubeconfig, "mainstay-controller")
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(access)
	if err != nil {
		return err
	}
	if s.LeaseNamespace == "" {
		s.LeaseNamespace = defaultLeaseNamespace(s.Kubeconfig)
	}
	if err := checkCluster(ctx, client, access.Host, s.LeaseNamespace); err != nil {
		return err
	}
	ctx, lost := context.WithCancelCause(ctx)
	defer lost(nil)
	lease, err := newLease(access, s.LeaseNamespace, leaseName, lost)
	if err != nil {
		return err
	}
	replica, err := s.newManager(ctx, access, lease)
	if err != nil {
		return err
	}
	err = replica.Start(ctx)
	if errors.Is(context.Cause(ctx), errLeaseOfAnother) {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("the controller of PetSets at %s ended: %w", access.Host, err)
	}
	return nil
}

// accessTo reaches the Kubernetes that a kubeconfig names; without one in a pod,
// that around it. It has no limit on requests: the API server shares out its time
// fairly by itself, and controllers bound how many they have in flight.
func accessTo(kubeconfig, program string) (*rest.Config, error) {
	var access *rest.Config
	var err error
	if kubeconfig != "" {
		access, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	} else {
		access, err = rest.InClusterConfig()
	}
	switch {
	case errors.Is(err, rest.ErrNotInCluster):
		return nil, errors.New("which Kubernetes? Say --kubeconfig FILE (only in a pod it is the one around it)")
	case err != nil:
		return nil, fmt.Errorf("--kubeconfig %s: %w", kubeconfig, err)
	}
	access.QPS = -1
	access.UserAgent = program + "/" + Version
	return access, nil
}

// defaultLeaseNamespace is the pod's own, where there is a pod.
func defaultLeaseNamespace(kubeconfig string) string {
	const mounted = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
	if kubeconfig == "" {
		if namespace, err := os.ReadFile(mounted); err == nil {
			return strings.TrimSpace(string(namespace))
		}
	}
	return "kube-system"
}

func (s Standalone) newManager(ctx context.Context, access *rest.Config, lease resourcelock.Interface) (manager.Manager, error) {
	replica, err := ctrl.NewManager(access, ctrl.Options{
		LeaderElection:                      true,
		LeaderElectionResourceLockInterface: lease,
		LeaderElectionID:                    leaseName, // for its metrics
		LeaderElectionReleaseOnCancel:       true,
		LeaseDuration:                       ptr.To(leaseDuration),
		RenewDeadline:                       ptr.To(leaseRenewDeadline),
		RetryPeriod:                         ptr.To(leaseRetryPeriod),
		HealthProbeBindAddress:              addressOrNone(s.HealthAddress),
		Metrics:                             metricsserver.Options{BindAddress: addressOrNone(s.MetricsAddress)},
		// Nobody here asks who wrote a field, and it is half of a pod's size.
		Cache: cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
	})
	if err != nil {
		return nil, err
	}
	if err := petsetcontroller.Add(ctx, replica, petsetcontroller.Options{PetSets: true}); err != nil {
		return nil, fmt.Errorf("controller of PetSets: %w", err)
	}
	if err := replica.AddHealthzCheck("ping", healthz.Ping); err != nil {
		return nil, err
	}
	return replica, replica.AddReadyzCheck("caches", cachesFilled(replica.GetCache()))
}

// addressOrNone is controller-runtime's way to say that nothing listens.
func addressOrNone(address string) string {
	if address == "" {
		return "0"
	}
	return address
}

// cachesFilled: a replica is ready when it could take over at once.
func cachesFilled(caches cache.Cache) healthz.Checker {
	return func(request *http.Request) error {
		ctx, cancel := context.WithTimeout(request.Context(), 500*time.Millisecond)
		defer cancel()
		if !caches.WaitForCacheSync(ctx) {
			return errors.New("the caches are still being filled")
		}
		return nil
	}
}
