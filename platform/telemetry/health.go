package telemetry

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// checkTimeout bounds one probe: a check that hangs counts as failed.
const checkTimeout = 2 * time.Second

// Health answers the three probes.
//
//	/livez     200 while the process can answer at all: restart it when this fails
//	/startupz  200 once everything has started
//	/readyz    200 when started, not draining, and every check passes: send no traffic when this fails
//	/readyz/x  the same with the check x alone, 404 when there is none of that name
type Health struct {
	mu       sync.Mutex // guards what follows
	started  bool
	draining bool
	checks   map[string]func(context.Context) error
}

// NewHealth makes a Health that has not started.
func NewHealth() *Health { return &Health{checks: map[string]func(context.Context) error{}} }

// Started says that everything has started.
func (h *Health) Started() { h.set(func() { h.started = true }) }

// Drain says that the process is about to stop and wants no new traffic.
func (h *Health) Drain() { h.set(func() { h.draining = true }) }

// Check adds a check to /readyz; a later one of the same name replaces it.
func (h *Health) Check(name string, check func(context.Context) error) {
	h.set(func() { h.checks[name] = check })
}

// Running says that a part of the process is ready: it passes, where it has no check of its own that says more.
func (h *Health) Running(name string) {
	h.set(func() {
		if h.checks[name] == nil {
			h.checks[name] = func(context.Context) error { return nil }
		}
	})
}

func (h *Health) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

// Ready returns nil when the process wants traffic, else why it does not, one reason a line.
func (h *Health) Ready(ctx context.Context) error {
	h.mu.Lock()
	checks := maps.Clone(h.checks)
	h.mu.Unlock()
	return h.pass(ctx, checks)
}

// pass asks the given checks, if the process is neither starting nor stopping.
func (h *Health) pass(ctx context.Context, checks map[string]func(context.Context) error) error {
	h.mu.Lock()
	started, draining := h.started, h.draining
	h.mu.Unlock()
	switch {
	case draining:
		return fmt.Errorf("stopping")
	case !started:
		return fmt.Errorf("starting")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if err := checks[name](ctx); err != nil {
			reasons = append(reasons, name+": "+err.Error())
		}
	}
	if reasons == nil {
		return nil
	}
	return fmt.Errorf("%s", strings.Join(reasons, "\n"))
}

// instruments shows each check of /readyz as 1 or 0; they are asked when metrics are collected.
func (h *Health) instruments(m metric.Meter) error {
	_, err := m.Int64ObservableGauge("limen_ready", metric.WithDescription("1 where the check of this name of /readyz passes"),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			h.mu.Lock()
			checks := maps.Clone(h.checks)
			h.mu.Unlock()
			for name, check := range checks {
				passes := int64(1)
				if h.pass(ctx, map[string]func(context.Context) error{name: check}) != nil {
					passes = 0
				}
				o.Observe(passes, metric.WithAttributes(attribute.String("check", name)))
			}
			return nil
		}))
	return err
}

// Handler serves /livez, /startupz, /readyz and /readyz/{check}.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /startupz", func(w http.ResponseWriter, _ *http.Request) {
		h.mu.Lock()
		started := h.started
		h.mu.Unlock()
		if !started {
			answer(w, fmt.Errorf("starting"))
			return
		}
		answer(w, nil)
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, h.Ready(r.Context())) })
	mux.HandleFunc("GET /readyz/{check}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("check")
		h.mu.Lock()
		check := h.checks[name]
		h.mu.Unlock()
		if check == nil {
			http.Error(w, "there is no check "+name, http.StatusNotFound)
			return
		}
		answer(w, h.pass(r.Context(), map[string]func(context.Context) error{name: check}))
	})
	return mux
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err == nil {
		_, _ = w.Write([]byte("ok\n"))
		return
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write([]byte(err.Error() + "\n"))
}
