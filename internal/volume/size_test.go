package volume

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func TestChooseSize(t *testing.T) {
	for _, c := range []struct {
		why             string
		required, limit int64
		fs              FileSystem
		want            int64 // 0: refused
	}{
		{"a negative size", -1, 0, Ext4, 0},
		{"a negative limit", 0, -1, Ext4, 0},
		{"a limit below what is required", 2 * gib, gib, Ext4, 0},
		{"the largest size", MaxSize, 0, Ext4, MaxSize},
		{"more than the largest size", MaxSize + 1, 0, Ext4, 0},
		{"the largest number", math.MaxInt64, 0, Ext4, 0},
		{"a limit below the smallest ext4", 0, mib, Ext4, 0},
		{"a limit below the smallest xfs", 0, 299 * mib, XFS, 0},
		{"nothing said", 0, 0, Ext4, DefaultSize},
		{"only a limit, above the default", 0, 2 * gib, Ext4, DefaultSize},
		{"only a limit, below the default", 0, 100*mib + 5, Ext4, 100 * mib},
		{"one byte of ext4", 1, 0, Ext4, 4 * mib},
		{"one byte of xfs", 1, 0, XFS, 300 * mib},
		{"one byte of raw blocks", 1, 0, RawBlock, mib},
		{"a size between multiples", 10*mib + 1, 0, Ext4, 11 * mib},
		{"a size between multiples, limit to match", 10*mib + 1, 11 * mib, Ext4, 11 * mib},
		{"no multiple between the bounds", 10*mib + 1, 11*mib - 1, Ext4, 0},
		{"an exact size", 10 * mib, 10 * mib, Ext4, 10 * mib},
	} {
		got, err := ChooseSize(c.required, c.limit, c.fs)
		if got != c.want {
			t.Errorf("%s: ChooseSize(%d, %d, %s) = %d (%v), want %d", c.why, c.required, c.limit, c.fs, got, err, c.want)
		}
		if (c.want == 0) != errors.Is(err, ErrSize) {
			t.Errorf("%s: error %v", c.why, err)
		}
	}
}

// Whatever is asked for, a size is never outside what was asked for.
func TestChooseSizeKeepsBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	systems := []FileSystem{Ext4, XFS, RawBlock}
	accepted := 0
	for range 100_000 {
		// All magnitudes, and bounds that often lie close together.
		required := random.Int64() >> random.IntN(64)
		limit := int64(0)
		if random.IntN(2) == 0 {
			limit = required + random.Int64()>>(20+random.IntN(44))
		}
		fs := systems[random.IntN(len(systems))]
		size, err := ChooseSize(required, limit, fs)
		if err != nil {
			continue
		}
		accepted++
		if size < required || limit > 0 && size > limit || size%Granule != 0 || size < minSize[fs] || size > MaxSize {
			t.Fatalf("ChooseSize(%d, %d, %s) = %d", required, limit, fs, size)
		}
	}
	if accepted < 10_000 {
		t.Fatalf("only %d of the requests were accepted: the test shows nothing", accepted)
	}
}

func TestAdmit(t *testing.T) {
	for _, c := range []struct {
		why             string
		size, available int64
		admitted        bool
	}{
		{"there is more", gib, 2 * gib, true},
		{"there is just enough", gib, gib, true},
		{"a byte is missing", gib, gib - 1, false},
		{"the pool is full beyond its reserve", mib, -gib, false},
	} {
		err := Admit(c.size, c.available)
		if (err == nil) != c.admitted || err != nil && !errors.Is(err, ErrNoSpace) {
			t.Errorf("%s: Admit(%d, %d) = %v", c.why, c.size, c.available, err)
		}
	}
}

func TestReserve(t *testing.T) {
	for _, c := range []struct{ total, want int64 }{
		{0, 0},
		{50 * gib, gib},
		{10_000 * gib, 4 * gib},
	} {
		if got := Reserve(c.total); got != c.want {
			t.Errorf("Reserve(%d) = %d, want %d", c.total, got, c.want)
		}
	}
}
