package identity

import (
	"context"
	"fmt"

	certificates "k8s.io/api/certificates/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	upstream "k8s.io/kubernetes/pkg/controller/certificates"
)

// Sign approves and signs what keepers ask for until ctx ends. Every judge may do so, all
// the time: they have the same key and decide the same. A request that is refused is
// looked at again, less and less often: the node may not have told its address yet.
func (a *Authority) Sign(ctx context.Context, client kubernetes.Interface, account string) {
	ours := informers.WithTweakListOptions(func(o *meta.ListOptions) {
		o.FieldSelector = fields.OneTermEqualSelector("spec.signerName", SignerName).String()
	})
	watched := informers.NewSharedInformerFactoryWithOptions(client, 0, ours)
	controller := upstream.NewCertificateController(ctx, "mainstay-fence", client, watched.Certificates().V1().CertificateSigningRequests(),
		func(ctx context.Context, request *certificates.CertificateSigningRequest) error {
			err := a.answer(ctx, client, account, request)
			if apierrors.IsConflict(err) {
				return upstream.IgnorableError("another judge was first: %v", err)
			}
			return err
		})
	watched.StartWithContext(ctx)
	controller.Run(ctx, 1)
}

// answer approves a request, if nobody has, and signs it. It may be repeated.
func (a *Authority) answer(ctx context.Context, client kubernetes.Interface, account string, request *certificates.CertificateSigningRequest) error {
	approved, denied := upstream.GetCertApprovalCondition(&request.Status)
	if denied {
		return nil
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, meta.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	// Also when somebody has approved it by hand.
	if err := Approves(request, account, nodes.Items); err != nil {
		return fmt.Errorf("not signed for the fence: %w", err)
	}
	requests := client.CertificatesV1().CertificateSigningRequests()
	if !approved {
		request.Status.Conditions = append(request.Status.Conditions, certificates.CertificateSigningRequestCondition{
			Type: certificates.CertificateApproved, Status: core.ConditionTrue,
			Reason: "KeeperOfItsNode", Message: "the keeper of the node asks, for the node's own name and address",
		})
		if request, err = requests.UpdateApproval(ctx, request.Name, request, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	if request.Status.Certificate, err = a.sign(request.Spec.Request, usages); err != nil {
		return err
	}
	_, err = requests.UpdateStatus(ctx, request, meta.UpdateOptions{})
	return err
}
