package netdisk

import (
	"errors"
	"fmt"
)

// calls are what can be asked through the network; net/rpc finds them by their form.
type calls struct{ *Server }

// Nothing is an answer without content.
type Nothing struct{}

// Create makes a disk; one that is there stays as it is. It answers its size.
func (c *calls) Create(p Placement, size *int64) error {
	d, err := c.create(p.Disk, p.Size)
	if err == nil {
		*size = d.size
	}
	return err
}

// Delete removes a disk and its data, unless it is attached.
func (c *calls) Delete(p Placement, _ *Nothing) error { return c.delete(p.Disk) }

// Attach gives a disk to a node, and answers the epoch.
func (c *calls) Attach(p Placement, epoch *int64) error {
	d, err := c.disk(p.Disk)
	if err != nil {
		return err
	}
	*epoch, err = d.attach(p.Node, c.record.add)
	return err
}

// Detach takes a disk from a node.
func (c *calls) Detach(p Placement, _ *Nothing) error {
	d, err := c.disk(p.Disk)
	if err != nil {
		return err
	}
	return d.detach(p.Node, c.record.add)
}

// Opened is the answer to Open.
type Opened struct{ Session, Size int64 }

// Open begins a session: the earlier one of the disk ends, after what it had under way.
func (c *calls) Open(w Writer, answer *Opened) error {
	d, err := c.disk(w.Disk)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	w.Session = 0
	if err := d.allowed(w); err != nil {
		return err
	}
	d.session = c.nextSession()
	*answer = Opened{d.session, d.size}
	return nil
}

// Close ends a session: the node has unmounted the disk.
func (c *calls) Close(w Writer, _ *Nothing) error {
	d, err := c.disk(w.Disk)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.Session == d.session {
		d.session = 0
	}
	return nil
}

// Read answers data.
func (c *calls) Read(r Request, data *[]byte) error {
	return c.do(Read, r, r.Length, func(d *disk) error {
		*data = make([]byte, r.Length)
		_, err := d.data.ReadAt(*data, r.Offset)
		return err
	})
}

// Write writes data. It survives the server from then on, and the machine after Sync.
func (c *calls) Write(r Request, _ *Nothing) error {
	return c.do(Write, r, len(r.Data), func(d *disk) error {
		_, err := d.data.WriteAt(r.Data, r.Offset)
		return err
	})
}

// Sync makes all that was written survive the machine.
func (c *calls) Sync(r Request, _ *Nothing) error {
	return c.do(Sync, r, 0, func(d *disk) error { return d.data.Sync() })
}

// do does what the writer asks, if the disk is his, and records it. Who has it does
// not change meanwhile.
func (c *calls) do(kind Kind, r Request, length int, action func(*disk) error) error {
	d, err := c.disk(r.Disk)
	if err != nil {
		return err
	}
	if r.Offset < 0 || length < 0 || r.Offset > d.size || int64(length) > d.size-r.Offset {
		return &refusal{invalid, fmt.Sprintf("disk %s has %d bytes, and nothing at %d+%d", r.Disk, d.size, r.Offset, length)}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	event := Event{Kind: kind, Disk: r.Disk, Node: r.Node, Epoch: r.Epoch, Offset: r.Offset, Length: length}
	if r.Session == 0 {
		return &refusal{invalid, "Open comes first"}
	}
	if err := d.allowed(r.Writer); err != nil {
		var answer *refusal
		if errors.As(err, &answer) && answer.code == denied {
			event.Refused = answer.text
			err = errors.Join(err, c.record.add(event))
		}
		return err
	}
	if kind == Write {
		if err := c.record.add(event); err != nil {
			return err
		}
	}
	return action(d)
}
