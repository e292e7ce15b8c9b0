package volume

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"
)

const hashedPrefix = "name-"

var plainID = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,126}$`)

// IDFor gives the ID of the volume of that name: the name itself where it can
// be a directory's name, as those of Kubernetes' claims are, else a hash of it.
func IDFor(name string) string {
	if plainID.MatchString(name) && !strings.HasPrefix(name, hashedPrefix) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return hashedPrefix + hex.EncodeToString(sum[:16])
}

// validID keeps an ID that came from outside from naming anything but a
// directory directly in the pool.
func validID(id string) bool { return plainID.MatchString(id) }
