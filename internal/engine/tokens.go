package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	bootstrapapi "k8s.io/cluster-bootstrap/token/api"
	bootstraptoken "k8s.io/kubernetes/cmd/kubeadm/app/apis/bootstraptoken/v1"

	"github.com/mainstay-io/mainstay/internal/engine/join"
)

// joinGroup is whom the API server takes the bearer of a token for.
const joinGroup = "system:bootstrappers:mainstay"

// sharedKey is where the Secret of a token for servers holds what they share, sealed
// with the token's key.
const sharedKey = "mainstay-servers"

// CreateToken makes a token with which machines may join the cluster on a data
// directory as nodes until it ends. Upstream's token cleaner then removes it.
func CreateToken(ctx context.Context, client kubernetes.Interface, paths Paths, ends time.Time) (join.Token, error) {
	authority, err := clusterAuthority(paths)
	if err != nil {
		return join.Token{}, err
	}
	token, err := join.NewToken(authority)
	if err != nil {
		return join.Token{}, err
	}
	_, err = createToken(ctx, client, token, nil, ends)
	return token, err
}

// CreateServerToken makes a token with which machines may become further servers until
// it ends. What servers share is sealed in the token's own Secret, so it ends with it.
func CreateServerToken(ctx context.Context, client kubernetes.Interface, paths Paths, ends time.Time) (join.Token, error) {
	choices, err := RememberedChoices(paths.DataDir)
	if err != nil {
		return join.Token{}, err
	}
	common, err := gatherShared(paths, choices)
	if err != nil {
		return join.Token{}, err
	}
	authority, err := clusterAuthority(paths)
	if err != nil {
		return join.Token{}, err
	}
	token, err := join.NewServerToken(authority)
	if err != nil {
		return join.Token{}, err
	}
	sealed, err := common.seal(token.Key)
	if err != nil {
		return join.Token{}, err
	}
	secret, err := createToken(ctx, client, token, sealed, ends)
	if err != nil {
		return join.Token{}, err
	}
	return token, letRead(ctx, client, secret, bootstrapapi.BootstrapUserPrefix+token.ID())
}

func createToken(ctx context.Context, client kubernetes.Interface, token join.Token, sealed []byte, ends time.Time) (*corev1.Secret, error) {
	bootstrap, err := bootstraptoken.NewBootstrapTokenString(token.Bootstrap)
	if err != nil {
		return nil, err
	}
	secret := bootstraptoken.BootstrapTokenToSecret(&bootstraptoken.BootstrapToken{
		Token: bootstrap, Description: "lets machines join; made by mainstay token create",
		Expires: &metav1.Time{Time: ends}, Usages: []string{"authentication"}, Groups: []string{joinGroup},
	})
	if sealed != nil {
		secret.Data[sharedKey] = sealed
	}
	return client.CoreV1().Secrets(secret.Namespace).Create(ctx, secret, metav1.CreateOptions{})
}

// letRead lets the user read the Secret, and nothing else, as long as it is there.
func letRead(ctx context.Context, client kubernetes.Interface, secret *corev1.Secret, user string) error {
	object := metav1.ObjectMeta{
		Namespace: secret.Namespace, Name: "mainstay:join:" + secret.Name,
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: secret.Name, UID: secret.UID}},
	}
	_, err := client.RbacV1().Roles(object.Namespace).Create(ctx, &rbacv1.Role{ObjectMeta: object, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{secret.Name}, Verbs: []string{"get"},
	}}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, err = client.RbacV1().RoleBindings(object.Namespace).Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: object,
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: object.Name},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: user}},
	}, metav1.CreateOptions{})
	return err
}

// TokenInfo is what may be told of a token.
type TokenInfo struct {
	ID        string
	ForServer bool      // machines become servers by it, else nodes
	Ends      time.Time // zero: never
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
		_, forServer := secret.Data[sharedKey]
		info := TokenInfo{ID: token.Token.ID, ForServer: forServer}
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
