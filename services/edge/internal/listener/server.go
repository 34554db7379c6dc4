// Package listener owns the client side of the edge: sockets, TLS, the split between HTTP/1.1 and HTTP/2, limits and
// time-outs, request ids, and writing the answer. It turns connections into exchanges and hands them to one Handler.
//
// HTTP/1.1 is read by internal/http1, strictly; whatever is refused there is answered with a definite status and its
// connection is closed. HTTP/2, by ALPN or with prior knowledge on a plaintext socket, is net/http's. The surprise: on a
// shared port a request that no API claims goes to a fallback http.Handler, whichever protocol it came by.
package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

// Handler answers exchanges. Its methods are called concurrently.
type Handler interface {
	// Claims reports whether the request is for an API. Only the head has been read.
	Claims(x *exchange.Exchange) bool
	// Serve fills in the response. It does not fail: failures are responses.
	Serve(ctx context.Context, x *exchange.Exchange)
	// Closed is told once when the answer is complete, just before it is sent. Afterwards the exchange is reused.
	Closed(x *exchange.Exchange)
}

// Config holds the limits of a Server; zero values take the defaults of spec/rest.md 13.2.
type Config struct {
	Number  func() uint16 // the number of this edge, carried by extended request ids; nil: 0
	Handler Handler
	// Fallback takes what Handler does not claim; nil leaves everything to Handler.
	Fallback http.Handler

	MaxTarget       int           // 10,240 bytes
	MaxHead         int           // 10,240 bytes
	MaxBody         int           // 10,485,760 bytes
	MaxFallbackBody int           // 64 MiB
	HeadTimeout     time.Duration // 20 s from the first byte of a request
	BodyTimeout     time.Duration // 60 s
	IdleTimeout     time.Duration // 310 s
	WriteTimeout    time.Duration // 60 s
	DrainTimeout    time.Duration // 30 s for requests in flight when the server ends
	// DrainGrace is how long the server goes on before it ends, asking its clients to leave; 0 ends it at once.
	DrainGrace time.Duration

	// ProxyProtocol reads the address of the client where it stands before the first byte; nil takes every peer for the client.
	ProxyProtocol *proxyprotocol.Trusted
	// Forwarded are the networks whose X-Forwarded-* headers tell of the client.
	Forwarded Forwarded

	Logger *slog.Logger // nil: slog.Default()
}

const readBuffer = 24 << 10

func (c Config) withDefaults() Config {
	orInt := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	orTime := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	orInt(&c.MaxTarget, 10240)
	orInt(&c.MaxHead, 10240)
	orInt(&c.MaxBody, 10485760)
	orInt(&c.MaxFallbackBody, 64<<20)
	orTime(&c.HeadTimeout, 20*time.Second)
	orTime(&c.BodyTimeout, 60*time.Second)
	orTime(&c.IdleTimeout, 310*time.Second)
	orTime(&c.WriteTimeout, 60*time.Second)
	orTime(&c.DrainTimeout, 30*time.Second)
	if c.Number == nil {
		c.Number = func() uint16 { return 0 }
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Socket is a listening socket; with TLS set its connections are encrypted, or, with Both, those that begin with a
// handshake.
type Socket struct {
	net.Listener
	TLS  *tls.Config
	Both bool
}

// Server serves sockets.
type Server struct {
	cfg     Config
	readers sync.Pool
	date    atomic.Pointer[date]

	h2      *http.Server
	h2conns *handoff

	leaving  atomic.Bool // each answer ends its connection
	draining atomic.Bool // no request begins
	wg       sync.WaitGroup

	mu    sync.Mutex
	conns map[*conn]struct{}
}

// New makes a Server. It opens nothing.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg.withDefaults(), conns: map[*conn]struct{}{}}
	size := max(readBuffer, s.cfg.MaxTarget+s.cfg.MaxHead+1024)
	limits := http1.Limits{Target: s.cfg.MaxTarget, Head: s.cfg.MaxHead}
	s.readers.New = func() any { return http1.NewReader(nil, size, size, limits) }
	s.h2 = s.newHTTP2()
	return s
}

// Run serves the sockets until ctx ends. It goes on for DrainGrace, telling each client to leave (Connection: close, GOAWAY):
// whoever spreads requests over several servers needs a while to see that this one isn't ready. Then it drains: sockets
// close, requests in flight finish within DrainTimeout, and everything Run started has ended when it returns. It closes the
// sockets.
func (s *Server) Run(ctx context.Context, sockets ...Socket) error {
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	s.h2conns = newHandoff()
	s.h2.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, len(sockets)+1)
	var accepting, http2 sync.WaitGroup
	http2.Go(func() {
		if err := s.h2.Serve(s.h2conns); !errors.Is(err, http.ErrServerClosed) {
			failed <- err
		}
	})
	for _, socket := range sockets {
		accepting.Go(func() {
			if err := s.accept(base, socket); !s.draining.Load() {
				failed <- err
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
		err = s.leave(failed)
	case err = <-failed:
	}
	s.leaving.Store(true)
	s.draining.Store(true)
	for _, l := range sockets {
		_ = l.Close()
	}
	accepting.Wait() // from here on no connection is added
	s.drain(cancel)
	http2.Wait()
	return err
}

// leave asks the clients to go, for as long as DrainGrace says.
func (s *Server) leave(failed <-chan error) error {
	s.leaving.Store(true)
	grace := time.NewTimer(s.cfg.DrainGrace)
	defer grace.Stop()
	select {
	case err := <-failed:
		return err
	case <-grace.C:
		return nil
	}
}

// drain ends the connections: idle ones at once, others get DrainTimeout.
func (s *Server) drain(cancel func()) {
	ctx, stop := context.WithTimeout(context.Background(), s.cfg.DrainTimeout)
	defer stop()
	idle := make(chan struct{})
	go func() {
		s.wg.Wait()
		close(idle)
	}()
	s.wakeIdle()
	if err := s.h2.Shutdown(ctx); err != nil {
		_ = s.h2.Close()
	}
	select {
	case <-idle:
	case <-ctx.Done():
		cancel()
		s.closeAll()
		<-idle
	}
	_ = s.h2conns.Close()
}

// wakeIdle ends the wait of connections that have no request in flight. The flag draining is already set, so a
// connection that becomes idle now sees it by itself.
func (s *Server) wakeIdle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.idle.Load() {
			_ = c.net.SetReadDeadline(time.Unix(1, 0))
		}
	}
}

func (s *Server) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.net.Close()
	}
}

// accept takes connections until the socket is closed. Errors that pass by themselves, such as no free descriptor, are
// waited out.
func (s *Server) accept(ctx context.Context, socket Socket) error {
	for delay := 5 * time.Millisecond; ; {
		nc, err := socket.Accept()
		if err == nil {
			delay = 5 * time.Millisecond
			s.start(ctx, nc, socket)
			continue
		}
		var passing interface{ Temporary() bool }
		if s.draining.Load() || !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		s.cfg.Logger.Warn("accept failed", "error", err, "retry_in", delay)
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, time.Second)
	}
}

func (s *Server) start(ctx context.Context, nc net.Conn, socket Socket) {
	c := &conn{s: s, net: nc}
	s.mu.Lock()
	s.conns[c] = struct{}{}
	s.mu.Unlock()
	s.wg.Go(func() {
		kept := c.run(ctx, socket)
		s.forget(c)
		if !kept {
			_ = c.net.Close()
		}
	})
}

// forget leaves the connection to whoever has it: the drain closes it no more.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
}

// date is the Date header of one second.
type date struct {
	second int64
	text   string
}

func (s *Server) now(t time.Time) string {
	d := s.date.Load()
	if d == nil || d.second != t.Unix() {
		d = &date{t.Unix(), t.UTC().Format(http.TimeFormat)}
		s.date.Store(d)
	}
	return d.text
}
