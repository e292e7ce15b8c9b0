package volume

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// copyDifferences makes the file to hold what from holds, as far as from
// reaches, and gives the number of bytes that it had to write. A file that is too
// short is enlarged; none is shortened. What is equal is
// not written, and what neither of them holds is not even read: repeated, the
// copy costs little more than reading what is in memory already.
//
// It reads and writes by itself, and lets the kernel share no blocks: a volume
// owns its blocks alone.
func copyDifferences(ctx context.Context, from, to *os.File) (written int64, err error) {
	size, err := sizeOf(from)
	if err != nil {
		return 0, err
	}
	if has, err := sizeOf(to); err != nil || has < size {
		if err := errors.Join(err, to.Truncate(size)); err != nil {
			return 0, err
		}
	}
	spans, err := spansOfEither(from, to)
	if err != nil {
		return 0, err
	}
	source, target := make([]byte, copyChunk), make([]byte, copyChunk)
	for _, s := range spans {
		for offset := s.start; offset < min(s.end, size); offset += copyChunk {
			if err := ctx.Err(); err != nil {
				return written, err
			}
			length := min(copyChunk, size-offset)
			if err := readBoth(from, to, source[:length], target[:length], offset); err != nil {
				return written, err
			}
			if bytes.Equal(source[:length], target[:length]) {
				continue
			}
			if _, err := to.WriteAt(source[:length], offset); err != nil {
				return written, noSpace(err, to.Name())
			}
			written += length
		}
	}
	return written, nil
}

func readBoth(from, to *os.File, source, target []byte, offset int64) error {
	if _, err := from.ReadAt(source, offset); err != nil {
		return fmt.Errorf("read %s: %w", from.Name(), err)
	}
	if _, err := to.ReadAt(target, offset); err != nil {
		return fmt.Errorf("read %s: %w", to.Name(), err)
	}
	return nil
}

func spansOfEither(from, to *os.File) ([]span, error) {
	a, err := dataSpans(from)
	if err != nil {
		return nil, err
	}
	b, err := dataSpans(to)
	return union(a, b), err
}

// copyImage makes to, which exists, a copy of an image that nobody writes to.
func copyImage(ctx context.Context, from, to string) error {
	source, target, err := openBoth(from, to)
	if err != nil {
		return err
	}
	defer source.Close()
	defer target.Close()
	_, err = copyDifferences(ctx, source, target)
	return err
}

// syncFile sees a file's content on disk.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		return noSpace(err, path)
	}
	return nil
}

func openBoth(from, to string) (source, target *os.File, err error) {
	if source, err = os.Open(from); err != nil {
		return nil, nil, err
	}
	if target, err = os.OpenFile(to, os.O_RDWR, 0); err != nil {
		return nil, nil, errors.Join(err, source.Close())
	}
	return source, target, nil
}

func sizeOf(f *os.File) (int64, error) { return f.Seek(0, io.SeekEnd) }

// noSpace tells a full disk from other failures of a write.
func noSpace(err error, path string) error {
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return fmt.Errorf("%w: the disk ran full while %s was written", ErrNoSpace, path)
	}
	return err
}
