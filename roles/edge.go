package roles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/core/throttle"
	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/linewriter"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/services/edge"
)

// EdgeConfig are the settings of the data plane.
type EdgeConfig struct {
	Listen       string        `yaml:"listen" help:"address of the data plane, HTTP/1.1 and HTTP/2 with prior knowledge; limen dev serves it on its one port"`
	TLSListen    string        `yaml:"tls_listen" help:"address of the data plane over TLS"`
	CertFile     string        `yaml:"cert_file" help:"PEM file of the certificate; TLS signs its own when it is not named"`
	KeyFile      string        `yaml:"key_file" help:"PEM file of the certificate's key"`
	GRPCListen   string        `yaml:"grpc_listen" help:"address where admin asks this edge for explanations"`
	Suffixes     []string      `yaml:"suffixes" help:"domains under which {api}.execute-api.{region} names an API, beside AWS's and localhost"`
	RecentBytes  int           `yaml:"recent_bytes" default:"16777216" help:"how much memory the records of recent requests may take, for explanations"`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"30s" help:"how long requests in flight may take when the edge ends"`
	DrainGrace   time.Duration `yaml:"drain_grace" default:"5s" help:"how long an edge that is told to end goes on, not ready and asking its clients to leave, so that load balancers see it first; limen dev ends at once"`
	// ProxyProtocolFrom and ForwardedFor say whose word is taken for the address of a client.
	ProxyProtocolFrom proxyprotocol.Networks `yaml:"proxy_protocol_from" help:"networks (10.0.0.0/8,…) of load balancers that begin connections with a PROXY header, version 1 or 2; none"`
	ForwardedFor      proxyprotocol.Networks `yaml:"forwarded_for_from" help:"networks of proxies whose X-Forwarded-For, -Proto and -Port are believed; none"`

	Functions    string        `yaml:"functions_url" help:"URL of the functions host, when it is not in this process: https://functions:9001"`
	Authz        string        `yaml:"authz_address" help:"host:port of authz.grpc_listen, when authz is not in this process"`
	Cache        string        `yaml:"cache_address" help:"host:port of cache.grpc_listen, when the cache is not in this process; each address of the host is a node with its share of the keys; without one nothing is cached"`
	CacheTimeout time.Duration `yaml:"cache_timeout" default:"50ms" help:"how long a request waits for the cache before it is a miss"`
	NearCache    int64         `yaml:"near_cache_bytes" default:"33554432" help:"how much memory the cache's answers of the last second may take in this edge, so that warm ones ask nobody; 1 keeps none"`
	// QuotaFallback and MeteringTimeout say what happens when metering does not answer.
	QuotaFallback   string        `yaml:"quota_fallback" default:"allow" help:"allow or deny requests under a quota while metering does not answer"`
	MeteringTimeout time.Duration `yaml:"metering_timeout" default:"1s" help:"how long a request waits for metering before this edge decides alone"`
	AccountRate     float64       `yaml:"account_rate" help:"requests per second of each account, of all its APIs; AWS's number is 10000; 0 sets no limit"`
	AccountBurst    int64         `yaml:"account_burst" default:"5000" help:"requests of an account at once, with account_rate"`
	AccessLog       string        `yaml:"access_log" default:"on" help:"on or off: one line for each request"`
}

// Check tells which setting breaks which rule.
func (c *EdgeConfig) Check() error {
	if (c.CertFile == "") != (c.KeyFile == "") {
		return settings.Refuse("cert_file", "must be given together with key_file")
	}
	if c.AccessLog != "" && c.AccessLog != "on" && c.AccessLog != "off" {
		return settings.Refuse("access_log", "must be on or off, not %q", c.AccessLog)
	}
	if c.QuotaFallback != "" && c.QuotaFallback != "allow" && c.QuotaFallback != "deny" {
		return settings.Refuse("quota_fallback", "must be allow or deny, not %q", c.QuotaFallback)
	}
	if c.AccountRate < 0 || c.AccountBurst < 0 {
		return settings.Refuse("account_rate", "must not be negative, nor account_burst")
	}
	if c.DrainTimeout < 0 || c.DrainGrace < 0 {
		return settings.Refuse("drain_timeout", "must not be negative, nor drain_grace")
	}
	return errors.Join(c.ProxyProtocolFrom.Check("proxy_protocol_from"), c.ForwardedFor.Check("forwarded_for_from"))
}

// edgeNode is the role edge: the service and the gRPC server that answers for it.
type edgeNode struct {
	house   *house
	service *edge.Service
	server  *rpc.Server
	invoker *functions.Invoker
	access  *linewriter.Writer // nil when no lines are written
	asker   *connections.Client
	nodes   *connections.Directory // nil where there are none elsewhere
}

func newEdge(h *house) (run.Service, error) { return buildEdge(h, nil, nil) }

// buildEdge makes the edge; sockets and the handler of what names no API are given by the one port of dev.
func buildEdge(h *house, sockets []edge.Socket, fallback http.Handler) (*edgeNode, error) {
	c := h.config.Edge
	invoker, err := h.invoker()
	if err != nil {
		return nil, err
	}
	client, err := h.configClient("edge")
	if err != nil {
		return nil, err
	}
	authz, err := h.authzClient()
	if err != nil {
		return nil, err
	}
	cache, err := h.cacheClient()
	if err != nil {
		return nil, err
	}
	counts, err := h.meteringClient(rpc.Edge)
	if err != nil {
		return nil, err
	}
	ring, err := seal.LoadOrCreate(h.edgeKeyFile())
	if err != nil {
		return nil, fmt.Errorf("edge_key_file: %w", err)
	}
	advertised, err := rpc.Advertise(c.GRPCListen)
	if err != nil {
		return nil, fmt.Errorf("edge.grpc_listen: %w", err)
	}
	if h.admin != nil {
		advertised = localEdge
	}
	access := accessLog(h)
	var lines io.Writer
	if access != nil {
		lines = access
	}
	asker := h.asker()
	var connected edge.Asker
	if asker != nil {
		connected = asker
	}
	directory := h.directory()
	var elsewhere edge.Directory
	if directory != nil {
		elsewhere = directory
	}
	service, err := edge.New(edge.Config{
		Address: c.Listen, TLSAddress: c.TLSListen, CertFile: c.CertFile, KeyFile: c.KeyFile, Suffixes: c.Suffixes,
		RecentBytes: c.RecentBytes, DrainTimeout: c.DrainTimeout, DrainGrace: h.grace(c.DrainGrace), ProxyProtocolFrom: c.ProxyProtocolFrom, ForwardedFrom: c.ForwardedFor, Dir: h.config.DataDir, AdvertiseAddress: advertised,
		DenyQuota: c.QuotaFallback == "deny", MeteringTimeout: c.MeteringTimeout, CacheTimeout: c.CacheTimeout, NearCacheBytes: c.NearCache, AccountLimit: accountLimit(c),
		AccessJSON: h.config.Telemetry.LogFormat == "json",
	}, edge.Deps{
		Admin: client, Keyring: ring, Functions: invoker, Authz: authz, Metering: counts, Cache: cache, Fallback: fallback, Sockets: sockets,
		Node: localNode{h}, Directory: elsewhere, RelayTLS: h.clientTLS("wsconn"), Connections: connected,
		Log: h.telemetry.Log, AccessLog: lines, Meter: h.telemetry.Meters.Meter("limen/edge"),
		Traces: h.telemetry.Traces, Sampling: h.telemetry.Sampling(),
	})
	if err != nil {
		return nil, err
	}
	n := &edgeNode{house: h, service: service, invoker: invoker, access: access, asker: asker, nodes: directory,
		server: h.newServer(h.grace(c.DrainGrace) + c.DrainTimeout)}
	service.Register(n.server)
	h.edge.Store(n)
	return n, nil
}

// accountLimit is the limit of each account's requests; the zero value is none.
func accountLimit(c EdgeConfig) throttle.Limit {
	if c.AccountRate == 0 {
		return throttle.Limit{}
	}
	return throttle.Limit{Rate: c.AccountRate, Burst: c.AccountBurst}
}

// invoker reaches functions: the host of this process, or one elsewhere.
func (h *house) invoker() (*functions.Invoker, error) {
	if host := h.functions.Load(); host != nil {
		return functions.New(functions.Config{Host: host})
	}
	return functions.New(functions.Config{Endpoint: h.config.Edge.Functions, TLS: h.clientTLS("functions")})
}

func (n *edgeNode) Ready() <-chan struct{} { return n.service.Loaded() }

// Run serves until ctx ends.
func (n *edgeNode) Run(ctx context.Context) error {
	defer n.invoker.Close()
	var listeners []net.Listener
	if address := n.house.config.Edge.GRPCListen; address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fmt.Errorf("edge.grpc_listen: %w", err)
		}
		listeners = append(listeners, l)
	}
	if n.access != nil {
		defer n.writeAccess(ctx)()
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.server.Serve(ctx, listeners...) })
	asking, answered := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer answered() // who asks for connections is asked until the last request is answered
		return n.service.Run(ctx)
	})
	g.Go(func() error { return runAsker(asking, n.asker) })
	if n.nodes != nil {
		g.Go(func() error { return n.nodes.Run(asking) })
	}
	return g.Wait()
}

// writeAccess writes access lines until stop is called: after the last request was answered.
func (n *edgeNode) writeAccess(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { _ = n.access.Run(ctx) })
	return func() { cancel(); wg.Wait() }
}
