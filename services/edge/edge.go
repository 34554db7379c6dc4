// Package edge is the data plane: it follows the published configuration, compiles it into a plan, and runs every request
// to an API through it. It is stateless; its last good configuration lies on its own disk.
//
// It decides nothing about who may call and counts nothing: those are questions to other services. The surprise: until
// such a service is there, methods that need it refuse all calls.
package edge

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/throttle"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/snapshots"
	"github.com/limen-gateway/limen/platform/telemetry"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/edge/internal/connections"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/integration"
	"github.com/limen-gateway/limen/services/edge/internal/listener"
	"github.com/limen-gateway/limen/services/edge/internal/meter"
	"github.com/limen-gateway/limen/services/edge/internal/pipeline"
	"github.com/limen-gateway/limen/services/edge/internal/plan"
	"github.com/limen-gateway/limen/services/edge/internal/relay"
)

// Config is what an operator sets. Every zero value is usable; without an address only Deps.Sockets are served.
type Config struct {
	// Address serves HTTP/1.1 and HTTP/2 with prior knowledge, TLSAddress both over TLS.
	Address    string
	TLSAddress string
	// CertFile and KeyFile are PEM; without them TLS has a self-signed certificate for SelfSignedHosts.
	CertFile        string
	KeyFile         string
	SelfSignedHosts []string
	// Suffixes are domains under which {api}.execute-api.{region} names an API, beside AWS's and localhost.
	Suffixes []string
	// RecentBytes bounds the decision records kept for explanations; 0 is 16 MiB.
	RecentBytes int
	// DrainTimeout is how long requests in flight get when the edge ends; 0 is 30 s.
	DrainTimeout time.Duration
	// DrainGrace is how long the edge goes on before it ends, asking its clients to leave; 0 is not at all.
	DrainGrace time.Duration
	// ProxyProtocolFrom are the networks of proxies that tell of the client by a PROXY header before the first byte.
	ProxyProtocolFrom proxyprotocol.Networks
	// ForwardedFrom are the networks of proxies that tell of the client by X-Forwarded-For, -Proto and -Port.
	ForwardedFrom proxyprotocol.Networks
	// Dir keeps the last good configuration; empty keeps none.
	Dir string
	// DenyQuota refuses requests under a quota while metering does not answer.
	DenyQuota bool
	// MeteringTimeout is how long a request waits for metering before this edge decides alone; 0 is a second.
	MeteringTimeout time.Duration
	// CacheTimeout is how long a request waits for the cache before it is a miss; 0 is 50 ms.
	CacheTimeout time.Duration
	// NearCacheBytes bounds what the edge keeps of the cache's answers in its own memory, each for a second at most; 0 is 32 MiB.
	NearCacheBytes int64
	// AccountLimit throttles all requests of an account; the zero value does not.
	AccountLimit throttle.Limit
	// AdvertiseAddress is where this edge answers gRPC.
	AdvertiseAddress string
	// AccessJSON writes access lines as JSON, else they are key=value text.
	AccessJSON bool
}

// Socket is a listening socket that is open already; with TLS its connections are encrypted. With Both it takes HTTP and
// HTTPS, the latter with the certificate of Config where TLS is nil.
type Socket struct {
	net.Listener
	TLS  *tls.Config
	Both bool
}

// Invoker invokes functions by ARN. Its errors are *functions.Error; it may keep the payload.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte, o functions.Options) (functions.Result, error)
}

// Deps is what the edge calls. Every field may be nil.
type Deps struct {
	// Admin is followed; without it the configuration comes by Apply.
	Admin configv1.ConfigClient
	// Keyring seals the disk copy in Config.Dir.
	Keyring   *seal.Keyring
	Functions Invoker
	// Authz answers for authorizers.
	Authz authzv1.AuthzClient
	// Metering counts; without it this edge enforces throttles alone.
	Metering meteringv1.MeteringClient
	// Cache keeps answers of methods that are cached; without it every request is a miss.
	Cache cachev1.CacheClient
	// Node takes WebSocket connections in this process; those that it does not take are relayed to the nodes of Directory, over
	// mutual TLS with RelayTLS. Without either they are refused. Connections asks the owners of connections anywhere.
	Node        Node
	Directory   Directory
	RelayTLS    *tls.Config
	Connections Asker
	// Fallback takes requests that name no API: the other faces of a process with one port.
	Fallback http.Handler
	// BackendRoots verify backends' certificates; nil means the system's.
	BackendRoots *x509.CertPool
	Sockets      []Socket
	Log          *slog.Logger
	// AccessLog gets one line per request, each in one Write; calls are concurrent. nil writes none.
	AccessLog io.Writer
	Meter     metric.Meter
	// Traces records requests; nil records none. Sampling picks those whose caller does not decide.
	Traces   trace.TracerProvider
	Sampling telemetry.Sampling
}

// Asker asks the owner of a WebSocket connection. Its only error is platform/connections.ErrUnknown.
type Asker = connections.Asker

// Service is one edge.
type Service struct {
	edgev1.UnimplementedEdgeServer

	config   Config
	deps     Deps
	plans    *plan.Plans
	client   *integration.Client
	meter    *meter.Meter
	recent   *exchange.Recent
	counters *counters
	access   accessLog
	tracing  tracing
	proxies  *proxyprotocol.Trusted
	server   *listener.Server
	follower *snapshots.Follower
	relay    *relay.Relay // nil where no nodes are elsewhere
}

// New makes an edge that does nothing yet.
func New(config Config, deps Deps) (*Service, error) {
	if (config.CertFile == "") != (config.KeyFile == "") {
		return nil, errors.New("edge: a certificate and its key must be given together")
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	s := &Service{config: config, deps: deps, client: integration.NewClient(deps.BackendRoots), recent: exchange.NewRecent(config.RecentBytes),
		access: accessLog{out: deps.AccessLog, json: config.AccessJSON}, tracing: newTracing(deps.Traces, deps.Sampling)}
	s.meter = meter.New(meter.Config{Client: deps.Metering, DenyQuota: config.DenyQuota, Timeout: config.MeteringTimeout, Log: deps.Log})
	cache, err := pipeline.NewCache(deps.Cache, config.CacheTimeout, config.NearCacheBytes)
	if err != nil {
		return nil, fmt.Errorf("edge: %w", err)
	}
	if deps.Directory != nil {
		s.relay = relay.New(relay.Config{Nodes: deps.Directory.Nodes, TLS: deps.RelayTLS, DrainTimeout: config.DrainGrace + cmp.Or(config.DrainTimeout, 30*time.Second), Log: deps.Log})
	}
	s.plans = plan.New(plan.Config{
		Services: &pipeline.Services{Meter: s.meter, Account: config.AccountLimit,
			Caller: &integration.Caller{Client: s.client, Functions: deps.Functions}, Authz: deps.Authz, Cache: cache},
		Nodes: nodes{deps.Node, s.relay}, Disconnect: s.disconnect, Connections: &connections.API{Authz: deps.Authz, Asker: deps.Connections},
		Suffixes: config.Suffixes, Logger: deps.Log,
	})
	s.proxies = proxyprotocol.Trust(config.ProxyProtocolFrom, deps.Log)
	if s.counters, err = newCounters(deps.Meter); err == nil {
		err = observeState(deps.Meter, s.proxies.Malformed, s.relay.Len, s.meter.Away)
	}
	if err != nil {
		return nil, err
	}
	s.server = listener.New(listener.Config{Number: s.plans.Number, Handler: door{s}, Fallback: deps.Fallback, Logger: deps.Log,
		DrainTimeout: config.DrainTimeout, DrainGrace: config.DrainGrace, ProxyProtocol: s.proxies, Forwarded: listener.Forwarded(config.ForwardedFrom)})
	if deps.Admin != nil {
		s.follower = snapshots.New(snapshots.Config{
			Role: "edge", Address: config.AdvertiseAddress, Dir: config.Dir, Keyring: deps.Keyring, Admin: deps.Admin, Log: deps.Log,
		}, s)
		if deps.Meter != nil {
			err = s.follower.Instruments(deps.Meter)
		}
	}
	return s, err
}

// Register answers gRPC: explanations of requests this edge answered.
func (s *Service) Register(r grpc.ServiceRegistrar) { edgev1.RegisterEdgeServer(r, s) }

// Run serves until ctx ends and requests in flight are answered.
func (s *Service) Run(ctx context.Context) error {
	sockets, err := s.listen()
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	backends, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error {
		defer stop() // backends and configuration are needed until the last request is answered
		return s.server.Run(ctx, sockets...)
	})
	group.Go(func() error {
		s.client.Run(backends)
		return nil
	})
	group.Go(func() error {
		s.meter.Run(backends)
		return nil
	})
	if s.relay != nil {
		group.Go(func() error { return s.relay.Run(ctx, backends.Done()) })
	}
	if s.follower != nil {
		group.Go(func() error { return s.follower.Run(backends) })
	}
	return group.Wait()
}

// Loaded is closed when a configuration is there, from the disk or from admin. It is nil without Deps.Admin.
func (s *Service) Loaded() <-chan struct{} {
	if s.follower == nil {
		return nil
	}
	return s.follower.Loaded()
}

// Apply takes over published configuration, and returns the keys of stages that keep their last good plan. It is called by
// one goroutine.
func (s *Service) Apply(u snapshots.Update) (failing []string) { return s.plans.Apply(u) }

// Report tells per stage what is served.
func (s *Service) Report() []*configv1.StageReport { return s.plans.Report() }

// Explain renders the decision record of a request of an account, by its request id or extended id. An empty account
// finds any.
func (s *Service) Explain(_ context.Context, r *edgev1.ExplainRequest) (*edgev1.ExplainResponse, error) {
	var rec executionlog.Record
	if !s.recent.Find(r.GetRequestId(), &rec) {
		return &edgev1.ExplainResponse{}, nil
	}
	// What never reached an API belongs to no account; anybody who may explain may see it.
	if rec.Account != "" && r.GetAccount() != "" && rec.Account != r.GetAccount() {
		return &edgev1.ExplainResponse{}, nil
	}
	// It repeats what the client sent, which need not be UTF-8.
	out := &edgev1.ExplainResponse{Found: true, Text: strings.ToValidUTF8(rec.Explain(), "\uFFFD")}
	if cause, ok := rec.Cause(); ok && cause.Code == executionlog.UnknownAPI {
		out.UnknownApi = rec.API
	}
	return out, nil
}

// listen opens the sockets of the configuration.
func (s *Service) listen() ([]listener.Socket, error) {
	var out []listener.Socket
	for _, socket := range s.deps.Sockets {
		out = append(out, listener.Socket(socket))
	}
	for i := range out {
		if out[i].Both && out[i].TLS == nil {
			cfg, err := s.tls()
			if err != nil {
				return nil, closeAll(out, err)
			}
			out[i].TLS = cfg
		}
	}
	if s.config.Address != "" {
		l, err := net.Listen("tcp", s.config.Address)
		if err != nil {
			return nil, closeAll(out, err)
		}
		out = append(out, listener.Socket{Listener: l})
	}
	if s.config.TLSAddress != "" {
		cfg, err := s.tls()
		if err != nil {
			return nil, closeAll(out, err)
		}
		l, err := net.Listen("tcp", s.config.TLSAddress)
		if err != nil {
			return nil, closeAll(out, err)
		}
		out = append(out, listener.Socket{Listener: l, TLS: cfg})
	}
	if len(out) == 0 {
		return nil, errors.New("edge: no address to listen on")
	}
	return out, nil
}

func closeAll(sockets []listener.Socket, err error) error {
	for _, l := range sockets {
		_ = l.Close()
	}
	return fmt.Errorf("edge: %w", err)
}

func (s *Service) tls() (*tls.Config, error) {
	if s.config.CertFile != "" {
		cert, err := listener.LoadCertificate(s.config.CertFile, s.config.KeyFile)
		return listener.TLSConfig(cert), err
	}
	hosts := s.config.SelfSignedHosts
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1", "*.execute-api.localhost"}
	}
	cert, err := listener.SelfSigned(time.Now(), hosts...)
	return listener.TLSConfig(cert), err
}

// door hands requests from the listener to the plan, and closes their books.
type door struct{ s *Service }

func (d door) Claims(x *exchange.Exchange) bool { return d.s.plans.Claims(x) }

func (d door) Serve(ctx context.Context, x *exchange.Exchange) {
	d.s.plans.Serve(d.s.tracing.begin(ctx, x), x)
}

// Closed: memory for explanations, counters, one access line and the span, all from the same record.
func (d door) Closed(x *exchange.Exchange) {
	r := &x.Record
	d.s.recent.Keep(r)
	d.s.counters.count(x)
	d.s.access.write(r)
	d.s.tracing.end(x)
}
