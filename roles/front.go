package roles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const (
	frontHeaderTimeout = 10 * time.Second
	frontStopTimeout   = 5 * time.Second
)

// front is the one port of dev.
type front struct {
	house *house
	ready chan struct{}
	addr  string // where it listens; valid once ready is closed
}

func newFront(h *house) *front { return &front{house: h, ready: make(chan struct{})} }

func (f *front) Ready() <-chan struct{} { return f.ready }

// fallback answers requests that mean no API: the probes, and what roles add to it.
func (f *front) fallback() http.Handler {
	mux := http.NewServeMux()
	health := f.house.telemetry.Health.Handler()
	for _, path := range []string{"/livez", "/startupz", "/readyz", "/readyz/"} {
		mux.Handle(path, health)
	}
	return mux
}

// Run listens until ctx ends, then lets requests in flight end.
func (f *front) Run(ctx context.Context) error {
	l, err := net.Listen("tcp", f.house.config.Listen)
	if err != nil {
		return fmt.Errorf("listen (LIMEN_LISTEN, --listen): %w", err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: f.fallback(), ReadHeaderTimeout: frontHeaderTimeout, Protocols: protocols}
	result := make(chan error, 1)
	go func() { result <- server.Serve(l) }()
	f.addr = l.Addr().String()
	close(f.ready)
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), frontStopTimeout)
	defer cancel()
	err = server.Shutdown(stop)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-result
	return err
}
