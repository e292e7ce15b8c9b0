package join

import (
	"strings"
	"testing"
)

func TestTokenIsOneWord(t *testing.T) {
	pin := strings.Repeat("0a", 32)
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
	} {
		token, err := ParseToken(test.word)
		if (err == nil) != test.good {
			t.Errorf("%s: %+v, %v", test.name, token, err)
		}
		if err == nil && (token.String() != strings.TrimSpace(test.word) || token.ID() != "abcdef" || token.Pin != pin) {
			t.Errorf("%s: read as %+v", test.name, token)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789") {
			t.Errorf("%s: the error tells the secret: %v", test.name, err)
		}
	}
}
