package roles

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/wsconn"
)

// WsconnConfig are the settings of a node that owns WebSocket connections.
type WsconnConfig struct {
	Listen    string `yaml:"listen" help:"address for clients that come without an edge before this node"`
	TLSListen string `yaml:"tls_listen" help:"the same over TLS"`
	CertFile  string `yaml:"cert_file" help:"PEM file of the certificate of tls_listen"`
	KeyFile   string `yaml:"key_file" help:"PEM file of the certificate's key"`
	// ProxyProtocolFrom says whose word is taken for the address of a client.
	ProxyProtocolFrom proxyprotocol.Networks `yaml:"proxy_protocol_from" help:"networks (10.0.0.0/8,…) of load balancers that begin connections with a PROXY header, version 1 or 2; none"`

	RelayListen    string `yaml:"relay_listen" help:"address where edges in other processes hand over connections: 0.0.0.0:9102; only edges are let in where trust has certificates"`
	RelayAdvertise string `yaml:"relay_advertise" help:"host:port that edges dial for relay_listen; this machine's own address when not given"`

	Edge         string        `yaml:"edge_address" help:"host:port of edge.grpc_listen, when no edge is in this process"`
	DrainWindow  time.Duration `yaml:"drain_window" default:"10s" help:"over how long the close frames are spread when the node ends and has many connections"`
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"30s" help:"how long connections may take to end when the node does"`
}

// Check tells which setting breaks which rule.
func (c *WsconnConfig) Check() error {
	if (c.TLSListen != "") != (c.CertFile != "") || (c.CertFile != "") != (c.KeyFile != "") {
		return settings.Refuse("tls_listen", "must be given together with cert_file and key_file")
	}
	if c.RelayAdvertise != "" {
		if host, port, err := net.SplitHostPort(c.RelayAdvertise); err != nil || host == "" || port == "" {
			return settings.Refuse("relay_advertise", "must be host:port, not %q", c.RelayAdvertise)
		}
		if c.RelayListen == "" {
			return settings.Refuse("relay_advertise", "must be given together with relay_listen")
		}
	}
	if c.DrainWindow < 0 || c.DrainTimeout < c.DrainWindow {
		return settings.Refuse("drain_timeout", "must not be shorter than drain_window")
	}
	return c.ProxyProtocolFrom.Check("proxy_protocol_from")
}

// newWsconn stands behind the edge in the list: it starts later and ends before it, so that the ends of its connections
// still find an edge.
func newWsconn(h *house) (run.Service, error) {
	c := h.config.Wsconn
	edges, err := h.edgeClient()
	if err != nil {
		return nil, err
	}
	relay, err := rpc.Advertise(cmp.Or(c.RelayAdvertise, c.RelayListen))
	if err != nil {
		return nil, fmt.Errorf("wsconn.relay_advertise (LIMEN_WSCONN_RELAY_ADVERTISE): %w", err)
	}
	service, err := wsconn.New(wsconn.Config{
		Address: c.Listen, TLSAddress: c.TLSListen, CertFile: c.CertFile, KeyFile: c.KeyFile, ProxyProtocolFrom: c.ProxyProtocolFrom, DrainWindow: c.DrainWindow, DrainTimeout: c.DrainTimeout, Replicas: h.config.NATS.Replicas,
		RelayAddress: c.RelayListen, RelayAdvertise: relay,
	}, wsconn.Deps{Edge: edges, NATS: h.nats, RelayTLS: h.serverTLS("edge"), Log: h.telemetry.Log, Meter: h.telemetry.Meters.Meter("limen/wsconn"), Traces: h.telemetry.Traces})
	if err != nil {
		return nil, err
	}
	h.wsconn.Store(service)
	return service, nil
}

// edgeClient hands events to the edge of this process, or to those elsewhere.
func (h *house) edgeClient() (edgev1.EdgeClient, error) {
	var conn grpc.ClientConnInterface
	switch address := h.config.Wsconn.Edge; {
	case h.edge.Load() != nil:
		conn = h.edge.Load().server.Local(rpc.Wsconn)
	case address != "":
		dialed, err := h.peers.dial(address, rpc.Edge, rpc.Wsconn)
		if err != nil {
			return nil, fmt.Errorf("wsconn.edge_address: %w", err)
		}
		conn = dialed
	default:
		return nil, fmt.Errorf("wsconn.edge_address (LIMEN_WSCONN_EDGE_ADDRESS) must name an edge, since this process has none")
	}
	return edgev1.NewEdgeClient(conn), nil
}

// localNode is the node of this process as the edge before it sees it: it may start later, or never.
type localNode struct{ house *house }

func (n localNode) Mint() (string, bool) {
	s := n.house.wsconn.Load()
	if s == nil {
		return "", false
	}
	return s.Mint()
}

func (n localNode) Take(h *wsconnv1.Handoff, key string, c net.Conn) {
	n.house.wsconn.Load().Take(h, key, c)
}

// directory knows the nodes in other processes; nil in a process that reaches no NATS, or plays every role. Its Run belongs to
// the edge.
func (h *house) directory() *connections.Directory {
	if h.nats == nil || h.dev {
		return nil
	}
	return connections.NewDirectory(h.nats, h.telemetry.Log)
}

// asker asks the owners of connections; nil in a process that reaches no NATS. Its Run belongs to the role that asks.
func (h *house) asker() *connections.Client {
	if h.nats == nil {
		return nil
	}
	local := func(r *wsconnv1.Request) (*wsconnv1.Answer, bool) {
		s := h.wsconn.Load()
		if s == nil {
			return nil, false
		}
		return s.Answer(r)
	}
	return connections.NewClient(h.nats, local, nil)
}

// runAsker runs it, where there is one.
func runAsker(ctx context.Context, c *connections.Client) error {
	if c == nil {
		return nil
	}
	return c.Run(ctx)
}
