package netdisk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/rpc"
	"os"
	"path/filepath"
	"regexp"
	"sync"
)

// Server keeps disks, and decides who may write them. Its methods are its protocol.
type Server struct {
	dir    string
	record recorder

	mu       sync.Mutex
	disks    map[string]*disk
	sessions int64
}

// RecordFile is where the server with that directory writes down who did what.
func RecordFile(dir string) string { return filepath.Join(dir, "record") }

// NewServer opens a directory with disks.
func NewServer(dir string) (*Server, error) {
	s := &Server{dir: dir, disks: map[string]*disk{}}
	if err := os.MkdirAll(filepath.Join(dir, "disks"), 0o700); err != nil {
		return nil, err
	}
	var err error
	s.record, err = openRecord(RecordFile(dir))
	return s, err
}

// Serve serves until ctx ends.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	server := rpc.NewServer()
	if err := server.RegisterName("Disks", &calls{s}); err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go server.ServeConn(connection)
	}
}

var diskName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,200}$`)

func (s *Server) path(name string) string { return filepath.Join(s.dir, "disks", name) }

func (s *Server) disk(name string) (*disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(name)
}

// find needs the lock.
func (s *Server) find(name string) (*disk, error) {
	if !diskName.MatchString(name) {
		return nil, &refusal{invalid, fmt.Sprintf("%q is no name of a disk", name)}
	}
	if d := s.disks[name]; d != nil {
		return d, nil
	}
	d, err := openDisk(s.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &refusal{missing, "there is no disk " + name}
	}
	if err == nil {
		s.disks[name] = d
	}
	return d, err
}

func (s *Server) create(name string, size int64) (*disk, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.find(name)
	var answer *refusal
	if !errors.As(err, &answer) || answer.code != missing {
		return d, err
	}
	if size <= 0 {
		return nil, &refusal{invalid, fmt.Sprintf("a disk of %d bytes", size)}
	}
	if d, err = makeDisk(s.path(name), size); err != nil {
		return nil, err
	}
	s.disks[name] = d
	return d, nil
}

// delete removes a disk that nobody has.
func (s *Server) delete(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, err := s.find(name)
	var answer *refusal
	if errors.As(err, &answer) && answer.code == missing {
		return nil
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.Node != "" {
		return &refusal{elsewhere, fmt.Sprintf("disk %s is attached to %s", name, d.Node)}
	}
	delete(s.disks, name)
	return errors.Join(d.data.Close(), os.RemoveAll(s.path(name)))
}

func (s *Server) nextSession() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions++
	return s.sessions
}
