package roles

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/limen-gateway/limen/platform/linewriter"
	"github.com/limen-gateway/limen/services/edge"
)

// front is the one port of dev: the edge listens on it, and what names no API goes to the control plane.
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
	return timely(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch path := r.URL.Path; {
		case path == "/livez", path == "/startupz", path == "/readyz", strings.HasPrefix(path, "/readyz/"):
			probes.ServeHTTP(w, r)
		default:
			h.admin.handler.ServeHTTP(w, r)
		}
	}), bodyTimeout)
}

// Run opens the port and runs the edge on it until ctx ends.
func (f *front) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", f.house.config.Listen)
	if err != nil {
		return fmt.Errorf("listen (LIMEN_LISTEN, --listen): %w", err)
	}
	n, err := buildEdge(f.house, []edge.Socket{{Listener: l, Both: true}}, f.house.fallback())
	if err != nil {
		_ = l.Close()
		return err
	}
	f.addr = l.Addr().String()
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-n.Ready():
		close(f.ready)
	}
	return <-done
}

// accessLog is where an edge writes one line for each request, among the other logs; nil when it writes none.
func accessLog(h *house) *linewriter.Writer {
	if h.config.Edge.AccessLog == "off" || !h.telemetry.Log.Enabled(context.Background(), slog.LevelInfo) {
		return nil
	}
	return linewriter.New(os.Stderr, func(lines int) {
		h.telemetry.Log.Warn("access lines dropped: the destination stands still", "lines", lines)
	})
}
