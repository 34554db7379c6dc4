// Package entry is a small TCP entry: it listens where clients come, and passes each connection to a replica of what stands
// behind it, edges above all. It is what the compose cluster has in place of a load balancer.
//
// It reads nothing of what passes: HTTP, TLS and WebSockets are the same to it. The surprise: it has no way to ask a client
// to leave, so whoever stands behind it does (Connection: close, GOAWAY), and its own end waits for connections that are
// kept alive as long as drain_timeout allows.
package entry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/services/entry/internal/tunnel"
	"github.com/limen-gateway/limen/services/entry/internal/upstream"
)

// Config is what an operator sets.
type Config struct {
	Routes       []Route       `yaml:"routes" help:"LISTEN=TARGET of each way in, with +proxy for a target that reads PROXY headers: 0.0.0.0:8080=edge:8080+proxy,0.0.0.0:4566=admin:4566"`
	HealthPort   uint16        `yaml:"health_port" default:"9090" help:"port of the side listeners of the targets' replicas, where /readyz is asked"`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"30s" help:"how long open connections may take when the entry ends"`
}

// Check tells which setting breaks which rule.
func (c *Config) Check() error {
	listens := map[string]bool{}
	for i, r := range c.Routes {
		if listens[r.Listen] {
			return settings.Refuse(fmt.Sprintf("routes.%d", i), "listens on %s, as one before does", r.Listen)
		}
		listens[r.Listen] = true
	}
	if c.DrainTimeout < 0 {
		return settings.Refuse("drain_timeout", "must not be negative")
	}
	return nil
}

// Resolver finds the addresses of a name; net.Resolver is one.
type Resolver = upstream.Resolver

// Deps is what the entry leans on. Every zero value is usable.
type Deps struct {
	Resolver Resolver // nil is the machine's
	Log      *slog.Logger
	Meter    metric.Meter
}

// Service is one entry.
type Service struct {
	config  Config
	log     *slog.Logger
	routes  []*route
	buffers tunnel.Buffers
	ready   chan struct{}
	open    atomic.Int64 // listeners
}

// route is a Route at work.
type route struct {
	Route
	upstream *upstream.Upstream
	counts   counts

	conns sync.WaitGroup
	mu    sync.Mutex // guards open
	open  map[net.Conn]struct{}
}

// New makes an entry that does nothing yet.
func New(c Config, d Deps) (*Service, error) {
	settings.Defaults(&c)
	if err := c.Check(); err != nil {
		return nil, err
	}
	if len(c.Routes) == 0 {
		return nil, settings.Refuse("entry.routes (LIMEN_ENTRY_ROUTES)", "must name what to listen on, and where to: 0.0.0.0:8080=edge:8080+proxy")
	}
	if d.Resolver == nil {
		d.Resolver = net.DefaultResolver
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	s := &Service{config: c, log: d.Log, ready: make(chan struct{})}
	for _, r := range c.Routes {
		s.routes = append(s.routes, &route{Route: r, open: map[net.Conn]struct{}{}, upstream: upstream.New(upstream.Config{
			Host: r.Host, Port: r.Port, HealthPort: c.HealthPort, Resolver: d.Resolver, Log: d.Log,
		})})
	}
	return s, s.observe(d.Meter)
}

// Ready is closed when connections are taken.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Check is nil while a listener is open.
func (s *Service) Check(context.Context) error {
	if s.open.Load() == 0 {
		return errors.New("no listener is open")
	}
	return nil
}

// Run takes connections until ctx ends. Then it closes the listeners, lets open connections end within DrainTimeout, and
// cuts what is left.
func (s *Service) Run(ctx context.Context) error {
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var watching, accepting sync.WaitGroup
	defer watching.Wait()
	defer stop()
	for _, r := range s.routes {
		watching.Go(func() { r.upstream.Run(work) })
	}
	for _, r := range s.routes {
		<-r.upstream.Known()
	}
	failed := make(chan error, len(listeners))
	for i, r := range s.routes {
		accepting.Go(func() { failed <- s.accept(work, r, listeners[i]) })
	}
	s.open.Store(int64(len(listeners)))
	close(s.ready)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.open.Store(0)
	closeAll(listeners)
	accepting.Wait()
	s.drain(stop)
	return err
}

func (s *Service) listen() ([]net.Listener, error) {
	var out []net.Listener
	for _, r := range s.routes {
		l, err := net.Listen("tcp", r.Listen)
		if err != nil {
			closeAll(out)
			return nil, fmt.Errorf("entry.routes: %w", err)
		}
		out = append(out, l)
	}
	return out, nil
}

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close()
	}
}

// drain waits for open connections, and cuts those that take too long.
func (s *Service) drain(stop func()) {
	ended := make(chan struct{})
	go func() {
		for _, r := range s.routes {
			r.conns.Wait()
		}
		close(ended)
	}()
	timer := time.NewTimer(s.config.DrainTimeout)
	defer timer.Stop()
	select {
	case <-ended:
		return
	case <-timer.C:
	}
	stop()
	for _, r := range s.routes {
		if n := r.cut(); n > 0 {
			s.log.Warn("connections cut: they did not end within entry.drain_timeout", "route", r.Route.String(), "connections", n)
		}
	}
	<-ended
}

// accept takes connections until the listener is closed. Errors that pass by themselves, such as no free descriptor, are
// waited out.
func (s *Service) accept(ctx context.Context, r *route, l net.Listener) error {
	for delay := 5 * time.Millisecond; ; {
		c, err := l.Accept()
		if err == nil {
			delay = 5 * time.Millisecond
			r.conns.Go(func() { s.pass(ctx, r, c.(*net.TCPConn)) })
			continue
		}
		var passing interface{ Temporary() bool }
		if !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		s.log.Warn("accept failed", "route", r.Route.String(), "error", err, "retry_in", delay)
		run.Pause(ctx, delay)
		delay = min(2*delay, time.Second)
	}
}

// pass connects a client to a replica until both are done.
func (s *Service) pass(ctx context.Context, r *route, client *net.TCPConn) {
	defer client.Close()
	r.hold(client, true)
	defer r.hold(client, false)
	c, err := r.upstream.Dial(ctx, func() { r.counts.failed.Add(1) })
	if err == nil && r.Proxy {
		err = introduce(c, client)
	}
	if err != nil {
		r.counts.refused.Add(1)
		s.log.Debug("connection refused", "route", r.Route.String(), "error", err)
		return
	}
	r.counts.passed.Add(1)
	s.buffers.Join(client, c.(*net.TCPConn))
}

// introduce tells a replica who the client is.
func introduce(replica net.Conn, client *net.TCPConn) error {
	a := proxyprotocol.Addresses{Source: client.RemoteAddr().(*net.TCPAddr).AddrPort(), Destination: client.LocalAddr().(*net.TCPAddr).AddrPort()}
	_, err := replica.Write(a.Append(nil))
	if err != nil {
		_ = replica.Close()
	}
	return err
}

// hold notes that a client's connection is open, or no longer.
func (r *route) hold(c net.Conn, open bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if open {
		r.open[c] = struct{}{}
		r.counts.open.Add(1)
	} else {
		delete(r.open, c)
		r.counts.open.Add(-1)
	}
}

// cut closes the connections of clients; those to replicas end with them.
func (r *route) cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.open {
		_ = c.Close()
	}
	return len(r.open)
}
