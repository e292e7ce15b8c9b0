package volume

import (
	"bytes"
	"context"
	"math/rand"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnion(t *testing.T) {
	for _, c := range []struct {
		why        string
		a, b, want []span
	}{
		{"nothing", nil, nil, nil},
		{"one side", []span{{0, 2}, {4, 5}}, nil, []span{{0, 2}, {4, 5}}},
		{"apart", []span{{4, 5}}, []span{{0, 2}}, []span{{0, 2}, {4, 5}}},
		{"touching", []span{{0, 2}}, []span{{2, 5}}, []span{{0, 5}}},
		{"overlapping", []span{{0, 3}}, []span{{2, 5}}, []span{{0, 5}}},
		{"within", []span{{0, 9}}, []span{{2, 5}}, []span{{0, 9}}},
		{"a bridge", []span{{0, 2}, {4, 6}}, []span{{1, 5}}, []span{{0, 6}}},
	} {
		if got := union(c.a, c.b); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.why, got, c.want)
		}
	}
}

// Whatever two files hold, after the copy the target reads as the source; done
// again it writes nothing; and where neither holds anything it allocates nothing.
func TestCopyDifferencesMakesEqual(t *testing.T) {
	for seed := range int64(40) {
		random := rand.New(rand.NewSource(seed))
		dir := t.TempDir()
		source, target := randomFile(t, random, filepath.Join(dir, "source")), randomFile(t, random, filepath.Join(dir, "target"))
		if _, err := copyDifferences(context.Background(), source, target); err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(source.Name())
		must(t, err)
		got, err := os.ReadFile(target.Name())
		must(t, err)
		if len(got) < len(want) || !bytes.Equal(got[:len(want)], want) {
			t.Fatalf("seed %d: the copy differs", seed)
		}
		if again, err := copyDifferences(context.Background(), source, target); err != nil || again != 0 {
			t.Fatalf("seed %d: again wrote %d bytes (%v)", seed, again, err)
		}
		source.Close()
		target.Close()
	}
}

// randomFile is a file of up to 12 MiB with data, holes and preallocated blocks at
// random places.
func randomFile(t *testing.T, random *rand.Rand, path string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	must(t, err)
	must(t, f.Truncate(1+random.Int63n(12*mib)))
	size, err := sizeOf(f)
	must(t, err)
	for range random.Intn(5) {
		offset := random.Int63n(size)
		length := 1 + random.Int63n(size-offset)
		if random.Intn(2) == 0 {
			must(t, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, offset, length))
			continue
		}
		data := make([]byte, length)
		random.Read(data)
		_, err := f.WriteAt(data, offset)
		must(t, err)
	}
	return f
}
