package netdisk

import "fmt"

// Judge reads a record and tells where two nodes had one disk at once, a sentence for
// each time; none is as it must be. A write that was refused is no breach of it: Late
// tells of those.
func Judge(events []Event) (breaches []string) {
	type attachment struct {
		node  string
		epoch int64
	}
	attached, latest := map[string]attachment{}, map[string]int64{}
	breach := func(e Event, format string, arguments ...any) {
		breaches = append(breaches, fmt.Sprintf("at %s disk %s: ", e.At, e.Disk)+fmt.Sprintf(format, arguments...))
	}
	for _, e := range events {
		if e.Refused != "" {
			continue
		}
		holder, writer := attached[e.Disk], attachment{e.Node, e.Epoch}
		switch e.Kind {
		case Attach:
			if holder.node != "" {
				breach(e, "attached to %s while %s has it", e.Node, holder.node)
			}
			if e.Epoch <= latest[e.Disk] {
				breach(e, "epoch %d of %s is not after epoch %d", e.Epoch, e.Node, latest[e.Disk])
			}
			attached[e.Disk], latest[e.Disk] = writer, e.Epoch
		case Detach:
			if holder != writer {
				breach(e, "detached from %s in epoch %d, which does not have it", e.Node, e.Epoch)
			}
			delete(attached, e.Disk)
		case Write:
			if holder != writer {
				breach(e, "%s in epoch %d wrote %d bytes at %d, while %q has it in epoch %d", e.Node, e.Epoch, e.Length, e.Offset, holder.node, holder.epoch)
			}
		}
	}
	return breaches
}

// Late finds the writes that were refused: somebody tried who should have been
// stopped, or the kernel of his node on his behalf.
func Late(events []Event) (late []Event) {
	for _, e := range events {
		if e.Kind == Write && e.Refused != "" {
			late = append(late, e)
		}
	}
	return late
}
