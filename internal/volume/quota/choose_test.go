package quota

import (
	"errors"
	"slices"
	"testing"
)

// Never is a number given that is taken, or not ours; and nobody searches for ever.
func TestChoose(t *testing.T) {
	given := map[uint32]bool{}
	for range 1000 {
		id, err := Choose("one name", func(id uint32) (bool, error) { return given[id], nil })
		if err != nil || given[id] || id < First || id > Last {
			t.Fatalf("given %d (%v)", id, err)
		}
		given[id] = true
	}
	a, err := Choose("a", func(uint32) (bool, error) { return false, nil })
	must(t, err)
	b, err := Choose("b", func(uint32) (bool, error) { return false, nil })
	must(t, err)
	if a == b {
		t.Errorf("two names begin at %d", a)
	}
	if id, err := Choose("a", func(uint32) (bool, error) { return true, nil }); err == nil {
		t.Errorf("all are taken, and %d was given", id)
	}
	failure := errors.New("cannot look")
	if _, err := Choose("a", func(uint32) (bool, error) { return false, failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
}

func TestNumbersIn(t *testing.T) {
	for _, c := range []struct {
		text string
		want []uint32
	}{
		{"", nil},
		{"web:10\ndb: 1291845632\n", []uint32{10, 1291845632}},
		{"# a comment\n42:/srv/data\nno number\n99999999999:x", []uint32{42}},
	} {
		if got := numbersIn(c.text); !slices.Equal(got, c.want) {
			t.Errorf("%q: %v, want %v", c.text, got, c.want)
		}
	}
}
