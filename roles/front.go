package roles

import (
	"context"
	"net/http"
	"strings"
)

// front is the one port of dev.
type front struct {
	house *house
	ready chan struct{}
	addr  string // where it listens; valid once ready is closed
}

func newFront(h *house) *front { return &front{house: h, ready: make(chan struct{})} }

func (f *front) Ready() <-chan struct{} { return f.ready }

// fallback answers requests that mean no API: the probes, and the control plane. It looks at the path as it stands; a mux
// would redirect what it finds unclean, and break signatures.
func (h *house) fallback() http.Handler {
	probes := h.telemetry.Health.Handler()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/livez", path == "/startupz", path == "/readyz", strings.HasPrefix(path, "/readyz/"):
			probes.ServeHTTP(w, r)
		default:
			h.admin.handler.ServeHTTP(w, r)
		}
	})
}

// Run listens until ctx ends, then lets requests in flight end.
func (f *front) Run(ctx context.Context) error {
	return serveHTTP(ctx, "listen (LIMEN_LISTEN, --listen)", f.house.config.Listen, f.house.fallback(), func(address string) {
		f.addr = address
		close(f.ready)
	})
}
