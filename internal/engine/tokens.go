package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstraptoken "k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// joinGroup is whom the API server takes the bearer of a token for.
const joinGroup = "system:bootstrappers:mainstay"

// CreateToken makes a token with which machines may join the cluster on a data
// directory until it ends. Upstream's token cleaner then removes it.
func CreateToken(ctx context.Context, client kubernetes.Interface, paths Paths, ends time.Time) (join.Token, error) {
	authority, err := clusterAuthority(paths)
	if err != nil {
		return join.Token{}, err
	}
	token, err := join.NewToken(authority)
	if err != nil {
		return join.Token{}, err
	}
	bootstrap, err := bootstraptoken.NewBootstrapTokenString(token.Bootstrap)
	if err != nil {
		return join.Token{}, err
	}
	secret := bootstraptoken.BootstrapTokenToSecret(&bootstraptoken.BootstrapToken{
		Token: bootstrap, Description: "lets machines join; made by mainstay token create",
		Expires: &metav1.Time{Time: ends}, Usages: []string{"authentication"}, Groups: []string{joinGroup},
	})
	_, err = client.CoreV1().Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{})
	return token, err
}

// TokenInfo is what may be told of a token.
type TokenInfo struct {
	ID   string
	Ends time.Time // zero: never
}

// Tokens lists the tokens with which machines may join, those that end first first.
func Tokens(ctx context.Context, client kubernetes.Interface) ([]TokenInfo, error) {
	secrets, err := client.CoreV1().Secrets(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{
		FieldSelector: "type=" + string(bootstrapapi.SecretTypeBootstrapToken),
	})
	if err != nil {
		return nil, err
	}
	var tokens []TokenInfo
	for _, secret := range secrets.Items {
		token, err := joinToken(&secret)
		if err != nil {
			continue // somebody else's
		}
		info := TokenInfo{ID: token.Token.ID}
		if token.Expires != nil {
			info.Ends = token.Expires.Time
		}
		tokens = append(tokens, info)
	}
	slices.SortFunc(tokens, func(a, b TokenInfo) int { return cmp.Or(a.Ends.Compare(b.Ends), cmp.Compare(a.ID, b.ID)) })
	return tokens, nil
}

// DeleteToken makes a token worthless at once. Machines that have joined stay.
func DeleteToken(ctx context.Context, client kubernetes.Interface, id string) error {
	secrets := client.CoreV1().Secrets(metav1.NamespaceSystem)
	secret, err := secrets.Get(ctx, bootstrapapi.BootstrapTokenSecretPrefix+id, metav1.GetOptions{})
	if err == nil {
		_, err = joinToken(secret)
	}
	if apierrors.IsNotFound(err) || errors.Is(err, errOtherToken) {
		return fmt.Errorf("there is no token %q: see `mainstay token list`", id)
	}
	if err != nil {
		return err
	}
	err = secrets.Delete(ctx, secret.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(secret.UID))})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

var errOtherToken = errors.New("this token is not for machines that join")

func joinToken(secret *corev1.Secret) (*bootstraptoken.BootstrapToken, error) {
	token, err := bootstraptoken.BootstrapTokenFromSecret(secret)
	if err == nil && !slices.Contains(token.Groups, joinGroup) {
		err = errOtherToken
	}
	return token, err
}
