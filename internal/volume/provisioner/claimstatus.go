package provisioner

import (
	"context"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/util/retry"
)

// statusChange gives a claim's new status; the old one is not changed.
type statusChange = func(core.PersistentVolumeClaimStatus) core.PersistentVolumeClaimStatus

// setClaimStatus writes a claim's new status, unless the claim has been replaced. A
// status that is the same already is not written: each write brings the claim
// back at once, and a claim that cannot grow must be left in peace meanwhile.
func setClaimStatus(ctx context.Context, client kubernetes.Interface, claim *core.PersistentVolumeClaim, change statusChange) error {
	claims := client.CoreV1().PersistentVolumeClaims(claim.Namespace)
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current, err := claims.Get(ctx, claim.Name, meta.GetOptions{})
		if err != nil || current.UID != claim.UID {
			return err
		}
		changed := change(current.Status)
		if equality.Semantic.DeepEqual(changed, current.Status) {
			return nil
		}
		current.Status = changed
		_, err = claims.UpdateStatus(ctx, current, meta.UpdateOptions{})
		return err
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
