package netdisk

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// state is what is known of a disk beside its data; it outlives the server.
type state struct {
	// Node has the disk, or nobody where it is empty.
	Node string
	// Epoch counts the attachments.
	Epoch int64
}

// disk is a directory with its data and its state.
type disk struct {
	name string
	dir  string
	data *os.File
	size int64

	// Requests for data hold it for reading; whoever changes who may ask, for
	// writing: when it has changed, nothing of before is under way.
	mu sync.RWMutex
	state
	// session is the connection that the node uses; 0 is none. A request that hangs in
	// an earlier one must not come after what was done since.
	session int64
}

const (
	dataFile  = "data"
	stateFile = "state.json"
)

func openDisk(dir string) (*disk, error) {
	d := &disk{name: filepath.Base(dir), dir: dir}
	text, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &d.state); err != nil {
		return nil, fmt.Errorf("the state of disk %s is damaged: %w", d.name, err)
	}
	if d.data, err = os.OpenFile(filepath.Join(dir, dataFile), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	info, err := d.data.Stat()
	if err != nil {
		return nil, err
	}
	d.size = info.Size()
	return d, nil
}

// makeDisk makes a disk under another name: one with its own name is whole.
func makeDisk(dir string, size int64) (*disk, error) {
	part := dir + ".part"
	if err := errors.Join(os.RemoveAll(part), os.MkdirAll(part, 0o700)); err != nil {
		return nil, err
	}
	d := disk{dir: part}
	data, err := os.OpenFile(filepath.Join(part, dataFile), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	if err := errors.Join(data.Truncate(size), data.Sync(), d.save(state{})); err != nil {
		return nil, err
	}
	if err := os.Rename(part, dir); err != nil {
		return nil, err
	}
	return openDisk(dir)
}

// save makes a state the disk's, once it is on the server's own disk.
func (d *disk) save(next state) error {
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	path := filepath.Join(d.dir, stateFile)
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.Write(text); err != nil {
		return err
	}
	if err := errors.Join(file.Sync(), os.Rename(path+".new", path)); err != nil {
		return err
	}
	d.state = next
	return nil
}

// attach gives the disk to a node, unless another has it.
func (d *disk) attach(node string, record func(Event) error) (epoch int64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	event := Event{Kind: Attach, Disk: d.name, Node: node, Epoch: d.Epoch + 1}
	switch d.Node {
	case node:
		return d.Epoch, nil // it has it
	case "":
	default:
		event.Refused = fmt.Sprintf("disk %s is attached to %s", d.name, d.Node)
		return 0, errors.Join(&refusal{elsewhere, event.Refused}, record(event))
	}
	if err := d.save(state{node, event.Epoch}); err != nil {
		return 0, err
	}
	return event.Epoch, record(event)
}

// detach takes the disk from a node, at once and whatever the node does with it.
func (d *disk) detach(node string, record func(Event) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Node != node {
		return nil // it does not have it
	}
	event := Event{Kind: Detach, Disk: d.name, Node: node, Epoch: d.Epoch, InUse: d.session != 0}
	if err := d.save(state{"", d.Epoch}); err != nil {
		return err
	}
	d.session = 0
	return record(event)
}

// allowed says whether a writer has the disk. The caller holds the lock.
func (d *disk) allowed(w Writer) error {
	switch {
	case d.Node == "":
		return &refusal{denied, fmt.Sprintf("disk %s is attached to nobody", d.name)}
	case d.Node != w.Node || d.Epoch != w.Epoch:
		return &refusal{denied, fmt.Sprintf("disk %s is attached to %s in epoch %d", d.name, d.Node, d.Epoch)}
	case w.Session != 0 && w.Session != d.session:
		return &refusal{stale, "the node has connected again since"}
	}
	return nil
}
