package cli

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress tells what a command is waiting for: one live line on a terminal,
// a line for each new step elsewhere.
type progress struct {
	mutex   sync.Mutex
	out     io.Writer
	live    bool
	step    string
	started time.Time // of the step
	begun   time.Time // of all
	stop    chan struct{}
	done    sync.WaitGroup
}

func newProgress(out io.Writer) *progress {
	p := &progress{out: out, begun: time.Now(), stop: make(chan struct{})}
	if file, ok := out.(*os.File); ok {
		p.live = term.IsTerminal(int(file.Fd()))
	}
	if p.live {
		p.done.Go(p.animate)
	}
	return p
}

// say names the step that is under way now. Saying the same again is no news.
func (p *progress) say(step string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if step == p.step {
		return
	}
	p.step, p.started = step, time.Now()
	if p.live {
		p.draw()
	} else {
		fmt.Fprintf(p.out, "%6.1fs  %s\n", time.Since(p.begun).Seconds(), step)
	}
}

func (p *progress) animate() {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.mutex.Lock()
			p.draw()
			p.mutex.Unlock()
		}
	}
}

func (p *progress) draw() {
	if p.step != "" {
		fmt.Fprintf(p.out, "\r\033[K%6.1fs  %s", time.Since(p.begun).Seconds(), p.step)
	}
}

// end removes the live line and returns how long all took.
func (p *progress) end() time.Duration {
	if p.live {
		close(p.stop)
		p.done.Wait()
		fmt.Fprint(p.out, "\r\033[K")
	}
	return time.Since(p.begun)
}
