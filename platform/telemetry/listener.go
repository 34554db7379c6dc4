package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	readHeaderTimeout = 5 * time.Second
	// flushTimeout bounds the last export: a collector that is away must not hold up the end of the process.
	flushTimeout = 3 * time.Second
)

// Handler serves the probes, /metrics and, when they are switched on, the profiles.
func (t *Telemetry) Handler() http.Handler {
	mux := http.NewServeMux()
	health := t.Health.Handler()
	for _, path := range []string{"/livez", "/readyz", "/readyz/", "/startupz"} {
		mux.Handle(path, health)
	}
	mux.Handle("GET /metrics", promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{}))
	if t.config.Profiles {
		mux.HandleFunc("/debug/pprof/", pprof.Index)
		mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Ready is closed when the side listener is open.
func (t *Telemetry) Ready() <-chan struct{} { return t.ready }

// Address is where the side listener listens, empty without one; valid once Ready is closed.
func (t *Telemetry) Address() string { return t.bound }

// Run serves the side listener until ctx ends, then sends what is still to be exported. Put it first in the list of
// services: it starts before all others and stops after them.
func (t *Telemetry) Run(ctx context.Context) error {
	err := t.serve(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer cancel()
	for _, flush := range t.flush {
		err = errors.Join(err, flush(ctx))
	}
	return err
}

func (t *Telemetry) serve(ctx context.Context) error {
	if t.config.Listen == "" {
		close(t.ready)
		<-ctx.Done()
		return nil
	}
	l, err := net.Listen("tcp", t.config.Listen)
	if err != nil {
		return fmt.Errorf("side listener: %w", err)
	}
	t.bound = l.Addr().String()
	server := &http.Server{Handler: t.Handler(), ReadHeaderTimeout: readHeaderTimeout}
	result := make(chan error, 1)
	go func() { result <- server.Serve(l) }()
	close(t.ready)
	select {
	case <-ctx.Done():
		// Probes and scrapes are short and worth nothing to a process that ends.
		err = server.Close()
		<-result
		return err
	case err = <-result:
		return fmt.Errorf("side listener: %w", err)
	}
}
