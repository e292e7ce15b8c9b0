// Package join is how a machine becomes part of a cluster whose server runs
// elsewhere: the word that it is given, how it makes sure of the server before it
// shows that word, and how it gets an identity of its own.
package join

import (
	"crypto/rand"
	"crypto/sha256"
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
	// Key opens what the cluster's servers share, in a token for a machine that becomes
	// one of them. It is nowhere but in the token.
	Key []byte
}

// keySize is that of AES-256.
const keySize = 32

// NewToken returns a token that nobody can guess, for the cluster of that authority.
func NewToken(authority *x509.Certificate) (Token, error) {
	bootstrap, err := bootstraputil.GenerateBootstrapToken()
	return Token{Bootstrap: bootstrap, Pin: PinOf(authority)}, err
}

// NewServerToken returns one for a machine that becomes a server.
func NewServerToken(authority *x509.Certificate) (Token, error) {
	token, err := NewToken(authority)
	if err != nil {
		return token, err
	}
	token.Key = make([]byte, keySize)
	_, err = rand.Read(token.Key)
	return token, err
}

// PinOf returns the pin of a certificate authority.
func PinOf(authority *x509.Certificate) string {
	return strings.TrimPrefix(pubkeypin.Hash(authority), "sha256:")
}

// String is the token as one word: ID.SECRET.PIN, and .KEY in one for a server.
func (t Token) String() string {
	word := t.Bootstrap + "." + t.Pin
	if t.ForServer() {
		word += "." + hex.EncodeToString(t.Key)
	}
	return word
}

// ForServer tells whether a machine becomes a server by it, or a node.
func (t Token) ForServer() bool { return len(t.Key) > 0 }

// ID names the token where its secret must not be seen.
func (t Token) ID() string {
	id, _, _ := strings.Cut(t.Bootstrap, ".")
	return id
}

var errToken = errors.New("this is no token of Mainstay's: copy the whole word that `mainstay token create` prints on the server")

// ParseToken reads a token from its word. Its error does not repeat the word, which
// may hold a secret.
func ParseToken(word string) (Token, error) {
	parts := strings.Split(strings.TrimSpace(word), ".")
	if len(parts) != 3 && len(parts) != 4 {
		return Token{}, errToken
	}
	token := Token{Bootstrap: parts[0] + "." + parts[1], Pin: parts[2]}
	pin, err := hex.DecodeString(token.Pin)
	if err != nil || len(pin) != sha256.Size || !bootstraputil.IsValidBootstrapToken(token.Bootstrap) {
		return Token{}, errToken
	}
	if len(parts) == 4 {
		if token.Key, err = hex.DecodeString(parts[3]); err != nil || len(token.Key) != keySize {
			return Token{}, errToken
		}
	}
	return token, nil
}
