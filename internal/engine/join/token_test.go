package join

import (
	"strings"
	"testing"
)

func TestTokenIsOneWord(t *testing.T) {
	pin, key := strings.Repeat("0a", 32), strings.Repeat("0123456789abcdef", 4)
	for _, test := range []struct {
		name, word string
		good       bool
	}{
		{"as it is printed", "abcdef.0123456789abcdef." + pin, true},
		{"with the line's end", "abcdef.0123456789abcdef." + pin + "\n", true},
		{"nothing", "", false},
		{"Kubernetes' own part alone", "abcdef.0123456789abcdef", false},
		{"cut short", "abcdef.0123456789abcdef." + pin[:62], false},
		{"a pin that is no hash", "abcdef.0123456789abcdef." + strings.Repeat("zz", 32), false},
		{"a secret that is too short", "abcdef.0123456789." + pin, false},
		{"an upper case ID", "ABCDEF.0123456789abcdef." + pin, false},
		{"two words", "abcdef.0123456789abcdef. " + pin, false},
		{"for a server", "abcdef.0123456789abcdef." + pin + "." + key, true},
		{"for a server, cut short", "abcdef.0123456789abcdef." + pin + "." + key[:62], false},
		{"for a server, with a key that is none", "abcdef.0123456789abcdef." + pin + "." + pin[:62] + "zz", false},
		{"for a server, without the key", "abcdef.0123456789abcdef." + pin + ".", false},
		{"more than a token", "abcdef.0123456789abcdef." + pin + "." + key + ".0", false},
	} {
		token, err := ParseToken(test.word)
		if (err == nil) != test.good {
			t.Errorf("%s: %+v, %v", test.name, token, err)
		}
		if err == nil && token.ForServer() != strings.HasPrefix(test.name, "for a server") {
			t.Errorf("%s: for a server: %v", test.name, token.ForServer())
		}
		if err == nil && (token.String() != strings.TrimSpace(test.word) || token.ID() != "abcdef" || token.Pin != pin) {
			t.Errorf("%s: read as %+v", test.name, token)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: the error tells the secret: %v", test.name, err)
		}
	}
}
