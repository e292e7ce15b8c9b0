package cli

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gopkg.in/natefinch/lumberjack.v2"
	"k8s.io/klog/v2"

	"github.com/mainstay-io/mainstay/internal/engine"
)

// How much garbage may pile up, in percent of the live memory, before it is
// collected. Collecting late while starting would save a tenth of a second, but
// strews what stays over memory that can then never be given back (60 MB of it).
// At work, a machine's memory belongs to its pods.
const (
	garbageWhileStarting = 75
	garbageAtWork        = 25
)

// runInForeground is the engine's own process. SIGTERM ends the engine and leaves
// the pods running, as for an upgrade, unless the machine itself goes down; Ctrl-C
// and `mainstay down` stop them too.
func runInForeground(config engine.Config, logFile string) (failure error) {
	systemd := newNotifier()
	defer func() { systemd.failed(failure) }()
	paths := engine.Paths{DataDir: config.DataDir}
	unlock, err := lock(paths.Lock())
	if err != nil {
		return err
	}
	defer unlock()
	logTo(logFile)
	debug.SetGCPercent(garbageWhileStarting)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	e := engine.New(config)
	stopping := newStopper(e)
	go systemd.follow(ctx, e.Phase)
	control := make(chan error, 1)
	go func() { control <- e.ServeControl(ctx, time.Now(), stopping.stop) }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)

	failed := make(chan error, 1)
	go func() {
		if err := e.Start(ctx); err != nil {
			failed <- err
			return
		}
		debug.SetGCPercent(garbageAtWork)
		debug.FreeOSMemory()
		failed <- e.Wait()
	}()
	for {
		select {
		case <-stopping.done:
			return nil
		case err := <-control:
			return err
		case err := <-failed:
			if stopping.begun() {
				failed = nil // parts end because they are told to
				continue
			}
			if errors.Is(err, engine.ErrDeposed) {
				return startAgain(systemd)
			}
			return err
		case received := <-signals:
			if received == syscall.SIGTERM && !machineGoesDown() {
				return nil
			}
			go func() { _ = stopping.stop(func(line string) { fmt.Println(line) }) }()
		}
	}
}

// stopper stops the engine once, whoever asks and how often.
type stopper struct {
	engine *engine.Engine
	once   sync.Once
	err    error
	began  chan struct{}
	done   chan struct{}
}

func newStopper(e *engine.Engine) *stopper {
	return &stopper{engine: e, began: make(chan struct{}), done: make(chan struct{})}
}

func (s *stopper) stop(report func(string)) error {
	s.once.Do(func() {
		close(s.began)
		s.err = s.engine.Stop(context.Background(), report)
		// Leave whoever asked the time to read the last line.
		time.AfterFunc(50*time.Millisecond, func() { close(s.done) })
	})
	return s.err
}

func (s *stopper) begun() bool {
	select {
	case <-s.began:
		return true
	default:
		return false
	}
}

// lock makes sure that one engine alone uses a data directory. The kernel gives
// the lock back when the process ends, however it ends.
func lock(file string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	handle, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(handle.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		handle.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.New("another engine uses this data directory: see `mainstay status`")
		}
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { handle.Close() }, nil
}

// logTo sends the log of all parts to a file that is rotated, or to the terminal.
func logTo(file string) {
	if file == "" {
		return
	}
	flags := flag.NewFlagSet("log", flag.ContinueOnError)
	klog.InitFlags(flags)
	for name, value := range map[string]string{"logtostderr": "false", "one_output": "true", "stderrthreshold": "FATAL"} {
		_ = flags.Set(name, value) // these names and values are klog's own
	}
	rotated := &lumberjack.Logger{Filename: file, MaxSize: 20, MaxBackups: 3} // MB
	klog.SetOutput(rotated)
	log.SetOutput(rotated) // CoreDNS writes there
}
