package engine

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// State is what a running engine tells of itself.
type State struct {
	Phase   string    `json:"phase"`
	Ready   bool      `json:"ready"`
	Process int       `json:"process"`
	Started time.Time `json:"started"`
}

// ServeControl answers `status` and `down` at the control socket until ctx
// ends. The directory of the socket admits root alone. A request to stop is
// passed to stop, whose reports go back to whoever asked.
func (e *Engine) ServeControl(ctx context.Context, started time.Time, stop func(report func(string)) error) error {
	socket := e.paths.ControlSocket()
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen at %s: %w", socket, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		phase := e.Phase()
		_ = json.NewEncoder(w).Encode(State{Phase: phase, Ready: phase == "ready", Process: os.Getpid(), Started: started})
	})
	mux.HandleFunc("POST /stop", func(w http.ResponseWriter, _ *http.Request) {
		err := stop(func(line string) { _, _ = fmt.Fprintln(w, line); _ = http.NewResponseController(w).Flush() })
		if err != nil {
			_, _ = fmt.Fprintln(w, stopFailed+err.Error())
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	return server.Serve(listener)
}

// stopFailed marks the line that tells why stopping failed.
const stopFailed = "error: "

// Control speaks to the engine that runs on a data directory.
type Control struct{ http.Client }

// NewControl returns the control of the engine of a data directory.
func NewControl(dataDir string) *Control {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", Paths{DataDir: dataDir}.ControlSocket())
	}
	return &Control{http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// State asks the engine how it is. An error means that none runs.
func (c *Control) State(ctx context.Context) (State, error) {
	var state State
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://engine/state", nil)
	if err != nil {
		return state, err
	}
	response, err := c.Do(request)
	if err != nil {
		return state, err
	}
	defer response.Body.Close()
	return state, json.NewDecoder(response.Body).Decode(&state)
}

// Stop asks the engine to end itself and all pods, and passes on what it reports.
func (c *Control) Stop(ctx context.Context, report func(string)) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://engine/stop", nil)
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if reason, failed := strings.CutPrefix(lines.Text(), stopFailed); failed {
			return fmt.Errorf("the engine could not stop: %s", reason)
		}
		report(lines.Text())
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	return nil
}
