package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	authentication "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/api/v1alpha1"
)

const (
	// absencePatience is how long an API server may be away at the start, as in an
	// upgrade of its own.
	absencePatience = 30 * time.Second
	// engineHolder has the lease where PetSets are the engine's own; see
	// addons/petset-lease.yaml.
	engineHolder = "mainstay-engine"
	howToInstall = "mainstay controller manifests | kubectl apply -f -"
)

// checkCluster refuses a Kubernetes in which the controller could not work, and
// says what to do about it.
func checkCluster(ctx context.Context, client kubernetes.Interface, host, leaseNamespace string) error {
	if err := checkDefinition(ctx, client, host); err != nil {
		return err
	}
	if err := checkAccess(ctx, client, host, leaseNamespace); err != nil {
		return err
	}
	lease, err := client.CoordinationV1().Leases(leaseNamespace).Get(ctx, leaseName, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("read the lease %s/%s: %w", leaseNamespace, leaseName, err)
	case lease.Spec.HolderIdentity != nil && *lease.Spec.HolderIdentity == engineHolder:
		return fmt.Errorf("the Kubernetes at %s is Mainstay's own engine: it looks after its PetSets itself, and nothing is to be done", host)
	}
	return nil
}

// checkDefinition waits for an API server that does not answer yet.
func checkDefinition(ctx context.Context, client kubernetes.Interface, host string) error {
	var failure error
	err := wait.PollUntilContextTimeout(ctx, time.Second, absencePatience, true, func(context.Context) (bool, error) {
		kinds, err := client.Discovery().ServerResourcesForGroupVersion(v1alpha1.GroupVersion.String())
		switch {
		case isAway(err):
			if failure == nil {
				klog.Infof("Waiting up to %s for the API server at %s: %v", absencePatience, host, err)
			}
			failure = err
			return false, nil
		case err == nil && knowsKind(kinds, "PetSet"):
			return true, nil
		case err == nil || apierrors.IsNotFound(err):
			return false, fmt.Errorf("the Kubernetes at %s does not know PetSets: install their definition with: %s", host, howToInstall)
		}
		return false, fmt.Errorf("ask the Kubernetes at %s for its kinds: %w", host, err)
	})
	if wait.Interrupted(err) && failure != nil {
		return fmt.Errorf("the API server at %s does not answer: %w", host, failure)
	}
	return err
}

// isAway tells an API server that may come back from one that says no.
func isAway(err error) bool {
	var network *net.OpError
	return errors.As(err, &network) || apierrors.IsServiceUnavailable(err) || apierrors.IsTooManyRequests(err) || apierrors.IsTimeout(err)
}

func checkAccess(ctx context.Context, client kubernetes.Interface, host, leaseNamespace string) error {
	needed, err := neededAccess(leaseNamespace)
	if err != nil {
		return err
	}
	refused, err := refusedAccess(ctx, client, needed)
	if err != nil || len(refused) == 0 {
		return err
	}
	who, err := client.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authentication.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask who the controller is: %w", err)
	}
	return fmt.Errorf("%s at %s may not do what the controller needs:\n  %s\nBind it to the roles %s and, in namespace %s, %s; for the account of that name: %s",
		who.Status.UserInfo.Username, host, strings.Join(describeAccess(refused), "\n  "), petSetRole, leaseNamespace, leaseName, howToInstall)
}

func knowsKind(kinds *metav1.APIResourceList, name string) bool {
	return slices.ContainsFunc(kinds.APIResources, func(kind metav1.APIResource) bool { return kind.Kind == name })
}
