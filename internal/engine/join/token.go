// Package join is how a machine becomes part of a cluster whose server runs
// elsewhere: the word that it is given, how it makes sure of the server before it
// shows that word, and how it gets an identity of its own.
package join

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"

	bootstraputil "k8s.io/cluster-bootstrap/token/util"
	"k8s.io/kubernetes/cmd/kubeadm/app/util/pubkeypin"
)

// Token is what a machine is given to join.
type Token struct {
	// Bootstrap is Kubernetes' bootstrap token, ID.SECRET. Whoever has it may ask for
	// the identity of any node, so it is shown to no server but the pinned one.
	Bootstrap string
	// Pin is the SHA-256 of the public key of the cluster's certificate authority, in
	// hexadecimal digits, as in kubeadm's --discovery-token-ca-cert-hash.
	Pin string
}

// NewToken returns a token that nobody can guess, for the cluster of that authority.
func NewToken(authority *x509.Certificate) (Token, error) {
	bootstrap, err := bootstraputil.GenerateBootstrapToken()
	return Token{Bootstrap: bootstrap, Pin: PinOf(authority)}, err
}

// PinOf returns the pin of a certificate authority.
func PinOf(authority *x509.Certificate) string {
	return strings.TrimPrefix(pubkeypin.Hash(authority), "sha256:")
}

// String is the token as one word: ID.SECRET.PIN.
func (t Token) String() string { return t.Bootstrap + "." + t.Pin }

// ID names the token where its secret must not be seen.
func (t Token) ID() string {
	id, _, _ := strings.Cut(t.Bootstrap, ".")
	return id
}

var errToken = errors.New("this is no token of Mainstay's: copy the whole word that `mainstay token create` prints on the server")

// ParseToken reads a token from its word. Its error does not repeat the word, which
// may hold a secret.
func ParseToken(word string) (Token, error) {
	word = strings.TrimSpace(word)
	dot := strings.LastIndexByte(word, '.')
	if dot < 0 {
		return Token{}, errToken
	}
	token := Token{Bootstrap: word[:dot], Pin: word[dot+1:]}
	pin, err := hex.DecodeString(token.Pin)
	if err != nil || len(pin) != 32 || !bootstraputil.IsValidBootstrapToken(token.Bootstrap) {
		return Token{}, errToken
	}
	return token, nil
}
