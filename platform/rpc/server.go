// Package rpc is how services of the house call each other: gRPC between processes, and Local, the same calls without a
// network inside one process.
//
// A Server answers both. Whatever way a call comes, it meets the same rules: who may call (the role table, default
// deny), how long it may take (the deadline table), which codes leave (architecture.md section 10.4), and what a panic
// or an unexpected error becomes: Internal, with the text in our log only. Dial reaches a service by name, over all its
// replicas.
//
// The surprise: over Local a unary handler runs on the caller's goroutine. The caller gets the same answer as over TCP,
// but when a handler does not heed its context, the caller waits for it.
package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
)

const (
	// MaxMessage is the biggest message that crosses, in bytes, over TCP and over Local alike. An import carries a document
	// of 6 MB, a list with embedded methods shows what it made, and a payload of 10 MB crosses with its headers.
	MaxMessage = 16 << 20
	// DefaultMaxConnectionAge makes clients connect anew, and so find new replicas.
	DefaultMaxConnectionAge = 5 * time.Second
	// DefaultStopTimeout is how long calls in flight may take to end when a server stops.
	DefaultStopTimeout = 5 * time.Second
)

// Config is how a Server is made. Only Tables is needed.
type Config struct {
	Tables Tables
	Log    *slog.Logger
	// Traces records the calls of traces; nil records none.
	Traces trace.TracerProvider
	// TLS is the transport security of the listeners; nil means plaintext.
	TLS credentials.TransportCredentials
	// TrustClaims believes the role that a caller without a certificate claims. Only for networks that are trusted
	// as a whole; whoever sets it warns.
	TrustClaims bool
	// Reflection lets tools such as grpcurl list the services. Serve refuses it on a plaintext listener that is not
	// on loopback.
	Reflection bool
	// Unary and Stream run after the rules, in order: the authentication of a public face.
	Unary  []grpc.UnaryServerInterceptor
	Stream []grpc.StreamServerInterceptor
	// Options go to the gRPC server as they are; they do not reach Local.
	Options []grpc.ServerOption
	// MaxConnectionAge and StopTimeout replace the defaults when they are not zero.
	MaxConnectionAge time.Duration
	StopTimeout      time.Duration
}

// method is an rpc as Local finds it.
type method struct {
	full   string
	srv    any
	row    row
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
	info   *grpc.StreamServerInfo
}

// Server answers the registered services over listeners, over ServeHTTP and in the process. Register everything before
// the first call; after that it is safe for concurrent use.
type Server struct {
	config   Config
	log      *slog.Logger
	grpc     *grpc.Server
	health   *health.Server
	methods  map[string]*method
	services map[string]bool
	unary    grpc.UnaryServerInterceptor
	stream   grpc.StreamServerInterceptor
	stopped  atomic.Bool

	mu    sync.Mutex // guards local
	local map[*localStream]struct{}
	ended sync.WaitGroup // handlers of local streams; Add only under mu
}

// NewServer makes a server that listens nowhere yet.
func NewServer(c Config) *Server {
	if c.MaxConnectionAge == 0 {
		c.MaxConnectionAge = DefaultMaxConnectionAge
	}
	if c.StopTimeout == 0 {
		c.StopTimeout = DefaultStopTimeout
	}
	s := &Server{
		config:   c,
		log:      c.Log,
		health:   health.NewServer(),
		methods:  map[string]*method{},
		services: map[string]bool{},
		local:    map[*localStream]struct{}{},
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.unary = chainUnary(append([]grpc.UnaryServerInterceptor{s.guardUnary}, c.Unary...))
	s.stream = chainStream(append([]grpc.StreamServerInterceptor{s.guardStream}, c.Stream...))
	options := []grpc.ServerOption{
		grpc.UnaryInterceptor(s.unary),
		grpc.StreamInterceptor(s.stream),
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionAge: c.MaxConnectionAge, Time: 20 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	}
	if c.TLS != nil {
		options = append(options, grpc.Creds(c.TLS))
	}
	s.grpc = grpc.NewServer(append(options, c.Options...)...)
	healthpb.RegisterHealthServer(s, s.health)
	if c.Reflection {
		reflection.Register(s)
	}
	return s
}

// RegisterService implements grpc.ServiceRegistrar.
func (s *Server) RegisterService(d *grpc.ServiceDesc, srv any) {
	s.grpc.RegisterService(d, srv)
	s.services[d.ServiceName] = true
	for i := range d.Methods {
		full := "/" + d.ServiceName + "/" + d.Methods[i].MethodName
		s.methods[full] = &method{full: full, srv: srv, row: s.config.Tables.row(full), unary: &d.Methods[i]}
	}
	for i := range d.Streams {
		sd := &d.Streams[i]
		full := "/" + d.ServiceName + "/" + sd.StreamName
		s.methods[full] = &method{
			full: full, srv: srv, row: s.config.Tables.row(full), stream: sd,
			info: &grpc.StreamServerInfo{FullMethod: full, IsClientStream: sd.ClientStreams, IsServerStream: sd.ServerStreams},
		}
	}
}

// GetServiceInfo is what reflection asks for.
func (s *Server) GetServiceInfo() map[string]grpc.ServiceInfo { return s.grpc.GetServiceInfo() }

// SetServing tells health checkers whether the server as a whole wants calls; it does from the start.
func (s *Server) SetServing(yes bool) {
	state := healthpb.HealthCheckResponse_NOT_SERVING
	if yes {
		state = healthpb.HealthCheckResponse_SERVING
	}
	s.health.SetServingStatus("", state)
}

// ServeHTTP answers gRPC requests that came to another HTTP/2 server: to a port of the world. Whoever calls there has no
// role, whatever it claims and whatever certificate it showed.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.grpc.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, Role(""))))
}

// Serve answers on the listeners, and in the process, until ctx ends. Then it tells health checkers, lets calls in
// flight end within StopTimeout and returns when none is left. Without listeners it answers in the process only. Local
// calls are answered before Serve too, and never after it.
func (s *Server) Serve(ctx context.Context, listeners ...net.Listener) error {
	for _, l := range listeners {
		if s.config.Reflection && s.config.TLS == nil && !OnLoopback(l.Addr()) {
			return fmt.Errorf("rpc: reflection on %s needs TLS or a loopback address", l.Addr())
		}
	}
	results := make(chan error, len(listeners))
	for _, l := range listeners {
		go func() { results <- s.grpc.Serve(l) }()
	}
	var err error
	running := len(listeners)
	select {
	case <-ctx.Done():
	case err = <-results:
		running--
	}
	s.stop()
	for range running {
		err = errors.Join(err, <-results)
	}
	if errors.Is(err, grpc.ErrServerStopped) {
		return nil
	}
	return err
}

// OnLoopback reports whether only this machine reaches an address.
func OnLoopback(a net.Addr) bool {
	switch a := a.(type) {
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	case *net.UnixAddr:
		return true
	default:
		return false
	}
}

// stop ends everything, politely at first.
func (s *Server) stop() {
	s.health.Shutdown()
	s.mu.Lock()
	s.stopped.Store(true) // under mu: no stream begins after this, see begin
	s.mu.Unlock()
	timer := time.AfterFunc(s.config.StopTimeout, func() {
		s.cancelLocal()
		s.grpc.Stop()
	})
	defer timer.Stop()
	s.grpc.GracefulStop()
	s.ended.Wait()
}

func (s *Server) cancelLocal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.local {
		l.server.end()
	}
}
