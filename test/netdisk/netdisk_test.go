package netdisk_test

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/mainstay-io/mainstay/test/netdisk"
)

func TestOneNodeAfterTheOther(t *testing.T) {
	r := newRig(t)
	one, two := r.Hosts[0], r.Hosts[1]
	r.create(t)
	r.create(t) // it is there
	r.mount(t, one)
	r.mount(t, one) // it is mounted
	mustShell(t, one, "echo first >notes; sync notes")
	if _, err := r.attach(t, two, two); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "attached to disks-1") {
		t.Errorf("attached to a second node: %v", err)
	}

	t.Run("a cut holds writes up", func(t *testing.T) {
		must(t, r.Isolate(one))
		written := make(chan error, 1)
		go func() {
			_, err := shell(one, "echo second >>notes; sync notes")
			written <- err
		}()
		select {
		case err := <-written:
			t.Errorf("a write to a server that cannot be reached returned (%v)", err)
		case <-time.After(100 * time.Millisecond):
			must(t, r.MendAll())
			must(t, <-written)
		}
	})

	t.Run("the server is killed", func(t *testing.T) {
		r.server.Restart(t)
		mustShell(t, one, "echo third >>notes; sync notes; echo 3 >/proc/sys/vm/drop_caches")
		if notes := mustShell(t, one, "cat notes"); notes != "first\nsecond\nthird" {
			t.Errorf("the notes are %q", notes)
		}
	})

	t.Run("a node is cut off, and loses the disk", func(t *testing.T) {
		must(t, r.Isolate(one))
		r.detach(t, two, one)
		r.mount(t, two)
		if notes := mustShell(t, two, "cat notes; echo fourth >>notes; sync notes"); notes != "first\nsecond\nthird" {
			t.Errorf("the notes are %q", notes)
		}
		must(t, r.MendAll())
		if said, err := shell(one, "echo late >>notes; sync notes"); err == nil || !strings.Contains(said, "Input/output error") {
			t.Errorf("a late write: %v: %s", err, said)
		}
		if notes := mustShell(t, two, "echo 3 >/proc/sys/vm/drop_caches; cat notes"); notes != "first\nsecond\nthird\nfourth" {
			t.Errorf("after a late write the notes are %q", notes)
		}
		late := netdisk.Late(r.server.Record(t))
		if len(late) == 0 || late[0].Node != one.Name() || late[0].Epoch != 1 {
			t.Errorf("late are %+v", late)
		}
	})

	t.Run("the disk comes back", func(t *testing.T) {
		r.unmount(t, one)
		r.unmount(t, two)
		r.unmount(t, two) // it is unmounted
		r.detach(t, two, two)
		r.mount(t, one)
		if notes := mustShell(t, one, "cat notes"); !strings.HasSuffix(notes, "fourth") {
			t.Errorf("the notes are %q", notes)
		}
	})

	var story []string
	for _, e := range r.server.Record(t) {
		if e.Kind == netdisk.Attach || e.Kind == netdisk.Detach {
			force := ""
			if e.InUse {
				force = " by force"
			}
			if e.Refused != "" {
				force = " refused"
			}
			story = append(story, string(e.Kind)+" "+e.Node+force)
		}
	}
	if got, want := strings.Join(story, ", "), "attach disks-1, attach disks-2 refused, detach disks-1 by force, attach disks-2, detach disks-2, attach disks-1"; got != want {
		t.Errorf("the record tells: %s\nwant: %s", got, want)
	}
	t.Run("the power is cut while it is written", func(t *testing.T) {
		must(t, one.Run("sh", "-c", "cd "+volume+"; while :; do echo more >>busy; sync busy; done").Start())
		soon(t, func() error { _, err := shell(one, "test -s busy"); return err })
		must(t, one.PowerOff())
		r.detach(t, two, one)
		r.mount(t, two)
		if notes := mustShell(t, two, "cat notes"); !strings.HasSuffix(notes, "fourth") {
			t.Errorf("the notes are %q", notes)
		}
	})

	r.server.Record(t)
}
