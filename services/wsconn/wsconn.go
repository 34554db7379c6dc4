// Package wsconn owns the sockets of WebSocket connections and nothing else: it knows neither routes nor integrations nor
// authorizers, and hands each message to an edge. Connections come from the edge of its process, or straight to its own
// listener; both have passed the same $connect.
//
// What outlives a connection is what NATS holds: the lease that says this node is alive, and the journal of what opened and
// closed. The surprise: losing NATS closes no socket.
package wsconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/wsconn/internal/dispatch"
	"github.com/limen-gateway/limen/services/wsconn/internal/hub"
	"github.com/limen-gateway/limen/services/wsconn/internal/listener"
	"github.com/limen-gateway/limen/services/wsconn/internal/socket"
)

// Limits of connections; zero values are AWS's.
type Limits = hub.Limits

// Config is what an operator sets. Every zero value is usable; without an address only Take brings connections.
type Config struct {
	// Address takes clients without an edge before this node, TLSAddress over TLS with the PEM files.
	Address    string
	TLSAddress string
	CertFile   string
	KeyFile    string
	// ProxyProtocolFrom are the networks of proxies that tell of the client by a PROXY header before the first byte.
	ProxyProtocolFrom proxyprotocol.Networks
	// RelayAddress is where edges in other processes hand over connections; RelayAdvertise is what they are told to dial, empty
	// for the address that is listened on.
	RelayAddress   string
	RelayAdvertise string
	Limits         Limits
	// Replicas is how many members of NATS keep the lease and the journal; 0 is one.
	Replicas int
	// Workers bounds the messages that are on their way to an edge; 0 is 4,096.
	Workers int
	// DrainWindow is over how long the close frames are spread when the node ends, if there are many; 0 is 10 s. DrainTimeout
	// is how long all may take; 0 is 30 s.
	DrainWindow, DrainTimeout time.Duration
	// Tick is how exact idle and lifetime limits are; 0 is a second.
	Tick time.Duration
}

// Socket is a listening socket that is open already.
type Socket = listener.Socket

// Deps is what the node calls.
type Deps struct {
	// Edge runs the events of connections.
	Edge edgev1.EdgeClient
	// NATS holds lease and journal and brings pushes; without it only this process reaches the node.
	NATS    *nats.Conn
	Sockets []Socket
	// RelayTLS proves edges to this node and this node to them; nil takes relays in the clear.
	RelayTLS *tls.Config
	// Now is the clock; nil is the machine's.
	Now   func() time.Time
	Log   *slog.Logger
	Meter metric.Meter
	// Traces records the events of connections whose handshake was traced; nil records none.
	Traces trace.TracerProvider
}

// Service is one node.
type Service struct {
	config   Config
	deps     Deps
	node     *connections.Node
	hub      *hub.Hub
	dispatch *dispatch.Dispatcher
	listener *listener.Listener
}

// New makes a node that does nothing yet.
func New(config Config, deps Deps) (*Service, error) {
	if deps.Edge == nil {
		return nil, errors.New("wsconn: no edge to hand messages to")
	}
	if (config.CertFile == "") != (config.KeyFile == "") || config.TLSAddress != "" && config.CertFile == "" {
		return nil, errors.New("wsconn: a TLS address, a certificate and its key must be given together")
	}
	if deps.Log == nil {
		deps.Log = slog.Default()
	}
	config.DrainWindow = cmp.Or(config.DrainWindow, 10*time.Second)
	config.DrainTimeout = cmp.Or(config.DrainTimeout, 30*time.Second)
	s := &Service{config: config, deps: deps}
	proxies := proxyprotocol.Trust(config.ProxyProtocolFrom, deps.Log)
	counters, err := newCounters(deps.Meter, func() int { return s.hub.Len() }, proxies.Malformed)
	if err != nil {
		return nil, err
	}
	s.node = connections.NewNode(connections.NodeConfig{
		NATS: deps.NATS, Replicas: config.Replicas, Log: deps.Log, Answer: func(r *wsconnv1.Request) *wsconnv1.Answer { return s.hub.Answer(r) },
		TakenOver: func(told func(string) bool) { s.hub.Abandon(told) },
		Lost: func(ctx context.Context, h *wsconnv1.Handoff) bool {
			return s.dispatch.Disconnect(ctx, h, socket.Abnormal, "")
		},
		Now: deps.Now,
	})
	s.dispatch = dispatch.New(dispatch.Config{Edge: deps.Edge, Workers: config.Workers, Log: deps.Log, Traces: deps.Traces})
	s.hub = hub.New(hub.Config{
		Dispatch: s.dispatch, Journal: s.node, Limits: config.Limits, Tick: config.Tick, DrainWindow: config.DrainWindow, DrainTimeout: config.DrainTimeout,
		Now: deps.Now, Seen: counters.count, Log: deps.Log,
	})
	s.listener = listener.New(listener.Config{Edge: deps.Edge, Mint: s.Mint, Take: s.take, Leave: s.hub.Leave, ProxyProtocol: proxies, Log: deps.Log})
	return s, nil
}

// Ready is closed when the node has its number.
func (s *Service) Ready() <-chan struct{} { return s.node.Claimed() }

// Mint makes the id of a connection that is about to open; false while the node takes none.
func (s *Service) Mint() (string, bool) {
	if s.hub.Draining() {
		return "", false
	}
	return s.node.Mint()
}

// Take takes over a connection whose $connect has passed. It does not block.
// One whose id names another number than the node's, which it lost meanwhile, is closed: nobody could reach it.
func (s *Service) Take(h *wsconnv1.Handoff, key string, c net.Conn) { s.take(h, key, c, 0) }

func (s *Service) take(h *wsconnv1.Handoff, key string, c net.Conn, edge uint64) {
	if !s.owns(h.GetConnectionId()) {
		_ = c.Close()
		return
	}
	s.hub.Take(h, key, c, edge)
}

func (s *Service) owns(id string) bool {
	owner, ok := connections.NodeOf(id)
	own, claimed := s.node.Number()
	return ok && claimed && owner == own
}

// Answer answers a call of the @connections API for a connection of this node; false when the id is another's.
func (s *Service) Answer(r *wsconnv1.Request) (*wsconnv1.Answer, bool) {
	if !s.owns(r.GetConnectionId()) {
		return nil, false
	}
	return s.hub.Answer(r), true
}

// Run serves until ctx ends, every connection is closed and its end told. The lease outlives the connections.
func (s *Service) Run(ctx context.Context) error {
	sockets, err := s.listen()
	if err != nil {
		return err
	}
	node, release := context.WithCancel(context.WithoutCancel(ctx))
	defer release()
	var outer errgroup.Group
	outer.Go(func() error { return s.node.Run(node) })
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		<-ctx.Done()
		s.node.Withdraw()
		return nil
	})
	if len(sockets) > 0 {
		group.Go(func() error { return s.listener.Run(ctx, sockets...) })
	}
	group.Go(func() error {
		s.hub.Run(ctx)
		s.dispatch.Wait()
		return nil
	})
	err = group.Wait()
	release()
	return errors.Join(err, outer.Wait())
}
