package engine

import (
	"context"
	"net/http"
	"time"
)

// serveHealth answers until ctx ends: /healthz always, /readyz while there is no
// problem, else with it.
func serveHealth(ctx context.Context, address string, problem func() error) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/readyz", func(answer http.ResponseWriter, _ *http.Request) {
		if err := problem(); err != nil {
			http.Error(answer, err.Error(), http.StatusServiceUnavailable)
		}
	})
	const patience = 5 * time.Second
	server := &http.Server{Addr: address, Handler: mux, ReadTimeout: patience, WriteTimeout: patience}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	return server.ListenAndServe()
}
