package volume

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// secret is what a volume held that was deleted. It is as long as the smallest
// blocks, so that wherever one of them shows up it is found whole.
var secret = bytes.Repeat([]byte("a secret of one!"), 32)

// A deleted volume's blocks are not readable by the next, whatever it is and however
// it came by them. Each next volume takes more than half of the pool, and so blocks
// of the one before.
func TestDeletedDataIsNotReadable(t *testing.T) {
	ctx := context.Background()
	for _, fs := range []struct {
		name          string
		pool, volumes int64
	}{{"ext4", 160 * mib, 96 * mib}, {"xfs", 320 * mib, 160 * mib}} {
		d := newDisk(t, fs.name, fs.pool)
		p, err := Open(filepath.Join(d.path, "pool"))
		must(t, err)
		for _, next := range []struct {
			why string
			run func() Record
		}{
			{"raw blocks", func() Record {
				return mustCreate(t, p, Spec{Name: "next", RequiredBytes: fs.volumes, FileSystem: RawBlock})
			}},
			{"a file system", func() Record {
				return mustCreate(t, p, Spec{Name: "next", RequiredBytes: fs.volumes, FileSystem: Ext4})
			}},
			{"raw blocks that grew", func() Record {
				r := mustCreate(t, p, Spec{Name: "next", RequiredBytes: mib, FileSystem: RawBlock})
				r, err := p.Expand(r.ID, fs.volumes, 0)
				must(t, err)
				return r
			}},
			{"a larger clone", func() Record {
				from := mustCreate(t, p, Spec{Name: "from", RequiredBytes: 4 * mib, FileSystem: Ext4})
				r := restored(t, p, "next", fs.volumes, Source{Volume: from.ID}, Ext4)
				must(t, p.Delete(from.ID))
				return r
			}},
			{"a snapshot restored into more", func() Record {
				from := mustCreate(t, p, Spec{Name: "from", RequiredBytes: 4 * mib, FileSystem: RawBlock})
				s, err := p.Snapshot(ctx, "s", from.ID, alone)
				must(t, err)
				r := restored(t, p, "next", fs.volumes, Source{Snapshot: s.ID}, RawBlock)
				must(t, errors.Join(p.Delete(from.ID), p.DeleteSnapshot(s.ID)))
				return r
			}},
		} {
			writeSecrets(t, p, mustCreate(t, p, Spec{Name: "secrets", RequiredBytes: fs.volumes, FileSystem: RawBlock}))
			must(t, p.Delete("secrets"))
			r := next.run()
			if !bytes.Contains(d.content(t), secret) {
				t.Errorf("%s: the secret is not on the disk any more: the test shows nothing", next.why)
			}
			if content := contentOf(t, p, r); bytes.Contains(content, secret[:512]) || int64(len(content)) != fs.volumes {
				t.Errorf("on %s, %s of %d bytes show what a deleted volume held", fs.name, next.why, len(content))
			}
			must(t, p.Delete(r.ID))
		}
	}
}

// writeSecrets fills a raw block volume, to the medium.
func writeSecrets(t *testing.T, p *Pool, r Record) {
	t.Helper()
	device, err := p.attachVolume(r, whileUsed)
	must(t, err)
	must(t, p.hold(r))
	_, err = io.CopyN(device, &repeated{secret}, r.Bytes)
	must(t, errors.Join(err, device.Sync(), device.Close()))
}

// contentOf reads a volume as its pod would.
func contentOf(t *testing.T, p *Pool, r Record) []byte {
	t.Helper()
	device, err := p.attachVolume(r, whileUsed)
	must(t, err)
	must(t, p.hold(r))
	defer device.Close()
	content, err := io.ReadAll(device)
	must(t, err)
	return content
}

// repeated is an endless file of whole copies of its text.
type repeated struct{ text []byte }

func (r *repeated) Read(into []byte) (n int, err error) {
	for n+len(r.text) <= len(into) {
		n += copy(into[n:], r.text)
	}
	return n, nil
}

// A disk that runs full while blocks are allocated leaves the file as it was.
func TestAllocateUndoesItself(t *testing.T) {
	d := newDisk(t, "ext4", 32*mib)
	path := filepath.Join(d.path, "image")
	must(t, os.WriteFile(path, []byte("kept"), 0o600))
	if err := allocate(path, gib); !errors.Is(err, ErrNoSpace) {
		t.Errorf("1 GiB on a disk of 32 MiB: %v", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "kept" {
		t.Errorf("left is %q (%v)", content, err)
	}
}
