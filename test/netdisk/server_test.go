package netdisk

import (
	"context"
	"net"
	"net/rpc"
	"strings"
	"testing"
	"time"
)

// testServer is a server that tests start again, and a connection to it.
type testServer struct {
	*testing.T
	dir    string
	client *rpc.Client
}

func newTestServer(t *testing.T) *testServer {
	s := &testServer{T: t, dir: t.TempDir()}
	s.restart()
	return s
}

// restart serves the same directory by another server.
func (s *testServer) restart() {
	s.Helper()
	server, err := NewServer(s.dir)
	if err != nil {
		s.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.Cleanup(cancel)
	go func() { _ = server.Serve(ctx, listener) }() // until the test is over
	if s.client, err = dial(ctx, listener.Addr().String()); err != nil {
		s.Fatal(err)
	}
}

// ask fails the test unless the answer begins with want; "" is a success.
func (s *testServer) ask(want, method string, arguments, reply any) {
	s.Helper()
	err := call(context.Background(), s.client, method, arguments, reply)
	if want == "" && err != nil || want != "" && (err == nil || !strings.HasPrefix(err.Error(), want)) {
		s.Errorf("%s %+v: %v, want %q", method, arguments, err, want)
	}
}

func (s *testServer) attach(want string, disk, node string) (epoch int64) {
	s.Helper()
	s.ask(want, "Attach", Placement{Disk: disk, Node: node}, &epoch)
	return epoch
}

func (s *testServer) open(disk, node string, epoch int64) Writer {
	s.Helper()
	w, opened := Writer{Disk: disk, Node: node, Epoch: epoch}, Opened{}
	s.ask("", "Open", w, &opened)
	w.Session = opened.Session
	return w
}

func (s *testServer) write(want string, w Writer, text string, offset int64) {
	s.Helper()
	s.ask(want, "Write", Request{Writer: w, Data: []byte(text), Offset: offset}, &Nothing{})
}

func (s *testServer) expect(w Writer, text string) {
	s.Helper()
	var data []byte
	s.ask("", "Read", Request{Writer: w, Length: len(text)}, &data)
	if string(data) != text {
		s.Errorf("the disk has %q, want %q", data, text)
	}
}

func TestServer(t *testing.T) {
	s := newTestServer(t)
	var size int64
	s.ask("", "Create", Placement{Disk: "d", Size: 4096}, &size)
	s.ask("", "Create", Placement{Disk: "d", Size: 8192}, &size) // it stays as it is
	if size != 4096 {
		t.Errorf("the disk has %d bytes", size)
	}
	s.ask("invalid", "Create", Placement{Disk: "../d", Size: 4096}, &size)
	s.ask("invalid", "Create", Placement{Disk: "e"}, &size)

	// Who has it may write, from the moment on that he opens it.
	s.attach("missing", "e", "a")
	first := s.attach("", "d", "a")
	s.write("invalid: Open comes first", Writer{Disk: "d", Node: "a", Epoch: first}, "x", 0)
	a := s.open("d", "a", first)
	s.write("", a, "hello", 0)
	s.ask("", "Sync", Request{Writer: a}, &Nothing{})
	s.expect(a, "hello")
	s.write("invalid", a, "beyond", 4094)
	s.write("invalid", a, "before", -1)
	s.ask("invalid", "Read", Request{Writer: a, Length: 1 << 40}, &[]byte{})
	if again := s.attach("", "d", "a"); again != first {
		t.Errorf("asked again, the epoch is %d", again)
	}

	// Nobody else may.
	s.attach("elsewhere: disk d is attached to a", "d", "b")
	s.ask("denied", "Open", Writer{Disk: "d", Node: "b", Epoch: first}, &Opened{})
	s.ask("elsewhere", "Delete", Placement{Disk: "d"}, &Nothing{})
	s.ask("", "Detach", Placement{Disk: "d", Node: "b"}, &Nothing{}) // b does not have it

	// A connection that was replaced may not: what hangs in it comes too late.
	replaced := a
	a = s.open("d", "a", first)
	s.write("stale", replaced, "stale", 0)

	// Data, attachment and epoch outlive the server; connections do not.
	s.restart()
	s.write("stale", a, "stale", 0)
	a = s.open("d", "a", first)
	s.expect(a, "hello")

	// The same node in an earlier attachment is somebody else.
	s.ask("", "Detach", Placement{Disk: "d", Node: "a"}, &Nothing{})
	s.write("denied: disk d is attached to nobody", a, "late", 0)
	second := s.attach("", "d", "a")
	s.write("denied", a, "late", 0)
	s.ask("denied", "Open", a, &Opened{})
	again := s.open("d", "a", second)
	s.expect(again, "hello")
	s.ask("", "Close", again, &Nothing{})
	s.ask("", "Detach", Placement{Disk: "d", Node: "a"}, &Nothing{})
	s.ask("", "Delete", Placement{Disk: "d"}, &Nothing{})
	s.ask("", "Delete", Placement{Disk: "d"}, &Nothing{}) // it is gone

	events, err := ReadRecord(RecordFile(s.dir))
	if err != nil {
		t.Fatal(err)
	}
	var story []string
	for _, e := range events {
		line := string(e.Kind)
		if e.InUse {
			line += " by force"
		}
		if e.Refused != "" {
			line += " refused"
		}
		story = append(story, line)
	}
	const want = "attach, write, attach refused, detach by force, write refused, attach, write refused, detach"
	if got := strings.Join(story, ", "); got != want || len(Judge(events)) > 0 {
		t.Errorf("the record tells %s; %v\nwant %s", got, Judge(events), want)
	}
}

// A server that takes connections and says nothing is one behind a cut.
func TestPatience(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	s := &session{server: silent.Addr().String(), writer: Writer{Disk: "d"}, patience: 50 * time.Millisecond}
	if _, err := do[Nothing](t.Context(), s, "Sync", Request{}); err == nil || !strings.Contains(err.Error(), "disk d: given up after 50ms") {
		t.Errorf("of a silent server: %v", err)
	}
}
