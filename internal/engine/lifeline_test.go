package engine

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// An API that answers again after a while: who follows what changes waits for it, who
// asks for something else is told at once, and nobody waits when the engine stops.
func TestLifeline(t *testing.T) {
	const away = 90 * time.Second
	for _, c := range []struct {
		name, method, path string
		patience           time.Duration // of who asks
		cut                bool          // meanwhile
		answered           bool
		after              time.Duration
	}{
		{name: "a list", path: "/api/v1/pods?fieldSelector=x&resourceVersion=0", answered: true, after: away},
		{name: "a watch", path: "/api/v1/pods?watch=true", answered: true, after: away},
		{name: "a watch, while the engine stops", path: "/api/v1/pods?watch=true", cut: true, after: away / 2},
		{name: "a list, by who cannot wait", path: "/api/v1/pods?resourceVersion=0", patience: time.Second, after: time.Second},
		{name: "one object", path: "/api/v1/pods/a"},
		{name: "a change", method: http.MethodPost, path: "/api/v1/pods?resourceVersion=0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, begun, down := newLifeline(), time.Now(), errors.New("nobody answers")
				close(line.open)
				api := line.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
					if time.Since(begun) < away {
						return nil, down
					}
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
				}))
				ctx := t.Context()
				if c.patience > 0 {
					limited, cancel := context.WithTimeout(ctx, c.patience)
					defer cancel()
					ctx = limited
				}
				if c.cut {
					time.AfterFunc(away/2, line.sever)
				}
				request, err := http.NewRequestWithContext(ctx, c.method, "https://api"+c.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := api.RoundTrip(request)
				if answer != nil {
					answer.Body.Close()
				}
				if (err == nil) != c.answered || time.Since(begun).Truncate(time.Second) != c.after {
					t.Errorf("after %s: %v; expected after %s", time.Since(begun), err, c.after)
				}
			})
		})
	}
}

// What an API server forbids because it does not know yet is asked again; what it forbids for
// good, and what changes something, is not.
func TestLifelineWhileTheServerLearns(t *testing.T) {
	for _, c := range []struct {
		name, method string
		known        time.Duration // after so long
		want         int
		after        time.Duration
	}{
		{"soon", http.MethodGet, 120 * time.Millisecond, http.StatusOK, 150 * time.Millisecond},
		{"never", http.MethodGet, time.Hour, http.StatusForbidden, learning + askedMeanwhile},
		{"a change", http.MethodPost, time.Hour, http.StatusForbidden, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				line, begun := newLifeline(), time.Now()
				close(line.open)
				api := line.wrap(roundTripper(func(*http.Request) (*http.Response, error) {
					if time.Since(begun) < c.known {
						return &http.Response{StatusCode: http.StatusForbidden, Body: http.NoBody}, nil
					}
					return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
				}))
				request, err := http.NewRequestWithContext(t.Context(), c.method, "https://api/api/v1/namespaces/a/persistentvolumeclaims/b", nil)
				if err != nil {
					t.Fatal(err)
				}
				answer, err := api.RoundTrip(request)
				if err != nil {
					t.Fatal(err)
				}
				answer.Body.Close()
				if answer.StatusCode != c.want || time.Since(begun) != c.after {
					t.Errorf("%d after %s; expected %d after %s", answer.StatusCode, time.Since(begun), c.want, c.after)
				}
			})
		})
	}
}
