package volume

import (
	"errors"
	"fmt"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// span is a part of a file, in bytes: from start up to, but without, end.
type span struct{ start, end int64 }

// copyChunk is what a copy compares and writes at a time; spans are multiples of
// it, so that a file of many small holes has few spans.
const copyChunk = mib

// dataSpans gives the parts of a file that may hold anything but zeros, in order
// and apart. Blocks that were preallocated and never written are no data.
func dataSpans(f *os.File) ([]span, error) {
	var spans []span
	for offset := int64(0); ; {
		start, err := unix.Seek(int(f.Fd()), offset, unix.SEEK_DATA)
		if errors.Is(err, unix.ENXIO) {
			return spans, nil // nothing but a hole is left
		}
		if err != nil {
			return nil, fmt.Errorf("look for the data of %s: %w", f.Name(), err)
		}
		end, err := unix.Seek(int(f.Fd()), start, unix.SEEK_HOLE)
		if err != nil {
			return nil, fmt.Errorf("look for the holes of %s: %w", f.Name(), err)
		}
		whole := span{start / copyChunk * copyChunk, (end + copyChunk - 1) / copyChunk * copyChunk}
		spans = join(append(spans, whole))
		offset = whole.end
	}
}

// union gives what is in any of the spans, each part once and in order.
func union(a, b []span) []span {
	all := slices.Concat(a, b)
	slices.SortFunc(all, func(x, y span) int { return int(min(max(x.start-y.start, -1), 1)) })
	var joined []span
	for _, s := range all {
		joined = join(append(joined, s))
	}
	return joined
}

// join makes one of the last two spans if they touch.
func join(spans []span) []span {
	n := len(spans)
	if n < 2 || spans[n-1].start > spans[n-2].end {
		return spans
	}
	spans[n-2].end = max(spans[n-2].end, spans[n-1].end)
	return spans[:n-1]
}

func total(spans []span) (bytes int64) {
	for _, s := range spans {
		bytes += s.end - s.start
	}
	return bytes
}

// dataBytes gives how much of a file may hold anything but zeros.
func dataBytes(path string) (int64, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	spans, err := dataSpans(f)
	return total(spans), err
}
