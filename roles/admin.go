package roles

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/connections"
	invoke "github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/settings"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	"github.com/limen-gateway/limen/services/admin"
	"github.com/limen-gateway/limen/services/functions"
)

// AdminConfig are the settings of the control plane.
type AdminConfig struct {
	Listen              string        `yaml:"listen" help:"address of both faces, REST and gRPC, for users; limen dev serves them on its one port"`
	GRPCListen          string        `yaml:"grpc_listen" help:"address where edges and functions hosts follow the configuration"`
	Regions             []string      `yaml:"regions" help:"the regions that signatures may name; all when empty"`
	AllowUnknownMembers bool          `yaml:"allow_unknown_members" help:"let request members pass that AWS's models do not know, instead of refusing them by name"`
	DrainGrace          time.Duration `yaml:"drain_grace" default:"5s" help:"how long an admin that is told to end goes on answering users, not ready and asking them to leave, so that load balancers see it first"`
	MasterKeyFile       string        `yaml:"master_key_file" env:"LIMEN_MASTER_KEY_FILE" help:"the file of keys that seal secrets in the store; made in the data folder when not named"`
}

// Check tells which setting breaks which rule.
func (c *AdminConfig) Check() error {
	for name, address := range map[string]string{"listen": c.Listen, "grpc_listen": c.GRPCListen} {
		if address == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return settings.Refuse(name, "must be host:port, not %q", address)
		}
	}
	if c.DrainGrace < 0 {
		return settings.Refuse("drain_grace", "must not be negative")
	}
	return nil
}

// localEdge is the address that the edge of this process reports.
const localEdge = "local"

// controlPlane is the role admin: the service, the gRPC server that answers it, and their listeners.
type controlPlane struct {
	house   *house
	service *admin.Service
	server  *rpc.Server
	handler http.Handler
	asker   *connections.Client
	invoker *invoke.Invoker
}

func newAdmin(h *house) (run.Service, error) {
	keys, _, err := RootKeys(h.config, h.dev)
	if err != nil {
		return nil, err
	}
	master := h.config.Admin.MasterKeyFile
	if master == "" {
		master = h.dir("master-key")
	}
	ring, err := seal.LoadOrCreate(master)
	if err != nil {
		return nil, fmt.Errorf("master_key_file: %w", err)
	}
	counts, err := h.meteringClient(rpc.Admin)
	if err != nil {
		return nil, err
	}
	invoker, err := h.invoker()
	if err != nil {
		return nil, err
	}
	c := &controlPlane{house: h, invoker: invoker, asker: h.asker()}
	deps := admin.Deps{Etcd: h.etcd, RootKeys: keys, Seal: ring, Edges: h.edgeAt, Lambda: c.lambda, Log: h.telemetry.Log}
	if counts != nil {
		deps.Metering = counts
	}
	if c.asker != nil {
		deps.Connections = c.asker
	}
	service, err := admin.New(admin.Config{
		Regions: h.config.Admin.Regions, Region: h.config.Region,
		AllowUnknownMembers: h.config.Admin.AllowUnknownMembers, HoldUntilServed: h.dev,
	}, deps)
	if err != nil {
		return nil, err
	}
	answer := h.serverConfig()
	// What there is is told in the clear to this machine alone.
	answer.Reflection = answer.TLS != nil || onThisMachine(h.config.Admin.GRPCListen)
	answer.Unary = service.Interceptors()
	server := rpc.NewServer(answer)
	service.Register(server)
	c.service, c.server = service, server
	c.handler = bothFaces(server, service.Handler(server.Local(rpc.Admin)))
	h.admin = c
	return c, nil
}

// onThisMachine reports whether others cannot reach an address, or there is none.
func onThisMachine(address string) bool {
	a, err := net.ResolveTCPAddr("tcp", address)
	return address == "" || err == nil && rpc.OnLoopback(a)
}

// lambda answers invocations by the functions host of this process, or by the one elsewhere; nil when there is none.
func (c *controlPlane) lambda(region, account string) http.Handler {
	if host := c.house.functions.Load(); host != nil {
		return host.HandlerOf(region, account)
	}
	if c.house.config.Edge.Functions == "" {
		return nil
	}
	return functions.Face(elsewhere{c.invoker}, region, account)
}

// elsewhere is a functions host in another process.
type elsewhere struct{ invoker *invoke.Invoker }

func (e elsewhere) Invoke(ctx context.Context, f arn.Function, payload []byte, o invoke.Options) (invoke.Result, error) {
	return e.invoker.Invoke(ctx, f.String(), payload, o)
}

// bothFaces gives gRPC requests to the server and all others to the REST face.
func bothFaces(server *rpc.Server, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isGRPC(r) {
			server.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

func (c *controlPlane) Ready() <-chan struct{} { return c.service.Ready() }

// Run answers until ctx ends, and users for the grace after that. All that answers them goes on as long.
func (c *controlPlane) Run(ctx context.Context) error {
	defer c.invoker.Close()
	config := c.house.config.Admin
	var grpcListeners []net.Listener
	if config.GRPCListen != "" {
		l, err := net.Listen("tcp", config.GRPCListen)
		if err != nil {
			return fmt.Errorf("admin.grpc_listen: %w", err)
		}
		grpcListeners = append(grpcListeners, l)
	}
	g, ctx := errgroup.WithContext(ctx)
	answering := face{setting: "admin.listen", address: config.Listen, handler: c.handler, grace: config.DrainGrace, drain: stopTimeout}.keep(ctx, g)
	g.Go(func() error { return c.server.Serve(answering, grpcListeners...) })
	g.Go(func() error { return c.service.Run(answering) })
	g.Go(func() error { return runAsker(answering, c.asker) })
	return g.Wait()
}

// edgeAt finds the edge behind the address it reported.
func (h *house) edgeAt(address string) (edgev1.EdgeClient, error) {
	if address == localEdge {
		n := h.edge.Load()
		if n == nil {
			return nil, fmt.Errorf("the edge of this process has not started")
		}
		return edgev1.NewEdgeClient(n.server.Local(rpc.Admin)), nil
	}
	if address == "" {
		return nil, fmt.Errorf("the edge answers no gRPC: its setting edge.grpc_listen is empty")
	}
	conn, err := h.peers.dial(address, rpc.Edge, rpc.Admin)
	if err != nil {
		return nil, err
	}
	return edgev1.NewEdgeClient(conn), nil
}
