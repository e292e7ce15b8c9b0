package netdisk

import (
	"errors"
	"net/rpc"
	"strings"
)

// Writer is who asks for data.
type Writer struct {
	Disk, Node string
	Epoch      int64
	Session    int64 // from Open
}

// Request is for a piece of a disk. All of them may be sent again: the same bytes at
// the same place.
type Request struct {
	Writer
	Offset int64
	Length int    // of a read
	Data   []byte // of a write
}

// Placement is for a disk as a whole.
type Placement struct {
	Disk, Node string
	Size       int64 // bytes
}

// refusal is an answer, not a failure. Its code goes through the connection in front
// of its text.
type refusal struct{ code, text string }

const (
	missing   = "missing"   // there is no such disk
	elsewhere = "elsewhere" // another node has it
	denied    = "denied"    // this node does not have it
	stale     = "stale"     // this connection was replaced
	invalid   = "invalid"   // nobody may ask for this
)

func (r *refusal) Error() string { return r.code + ": " + r.text }

// refusalOf finds the refusal in what a call returned; nil where it failed otherwise.
func refusalOf(err error) *refusal {
	var answer rpc.ServerError
	if !errors.As(err, &answer) {
		return nil
	}
	code, text, _ := strings.Cut(string(answer), ": ")
	switch code {
	case missing, elsewhere, denied, stale, invalid:
		return &refusal{code, text}
	}
	return nil
}
