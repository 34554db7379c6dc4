package roles

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/authz"
)

// AuthzConfig are the settings of authz.
type AuthzConfig struct {
	GRPCListen string `yaml:"grpc_listen" help:"address where edges in other processes ask; trusted networks only"`
	CacheBytes int64  `yaml:"cache_bytes" default:"67108864" help:"how much memory the kept results of authorizers may take"`
}

// authzNode is the role authz: the service and the gRPC server that answers for it.
type authzNode struct {
	house   *house
	service *authz.Service
	server  *rpc.Server
	invoker *functions.Invoker
}

func newAuthz(h *house) (run.Service, error) {
	invoker, err := h.invoker()
	if err != nil {
		return nil, err
	}
	var keys []rootkeys.Key
	if h.dev || h.config.RootKeyFile != "" {
		if keys, _, err = RootKeys(h.config, h.dev); err != nil {
			return nil, err
		}
	}
	service, err := authz.New(authz.Config{CacheBytes: h.config.Authz.CacheBytes}, authz.Deps{RootKeys: keys, Functions: invoker, Log: h.telemetry.Log})
	if err != nil {
		return nil, err
	}
	n := &authzNode{house: h, service: service, invoker: invoker,
		server: rpc.NewServer(rpc.Config{Tables: rpc.House(), Log: h.telemetry.Log, Traces: h.telemetry.Traces, TrustClaims: true})}
	service.Register(n.server)
	h.authz = n
	return n, nil
}

// Run answers until ctx ends.
func (n *authzNode) Run(ctx context.Context) error {
	defer n.invoker.Close()
	listeners, err := listenGRPC("authz.grpc_listen", n.house.config.Authz.GRPCListen)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.server.Serve(ctx, listeners...) })
	g.Go(func() error { return n.service.Run(ctx) })
	return g.Wait()
}

// listenGRPC opens the address of a setting; none when it is empty.
func listenGRPC(setting, address string) ([]net.Listener, error) {
	if address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return []net.Listener{l}, nil
}

// authzClient asks the authz of this process, or one elsewhere; nil when there is none, and methods with an authorizer are
// refused then.
func (h *house) authzClient() (authzv1.AuthzClient, error) {
	var conn grpc.ClientConnInterface
	switch address := h.config.Edge.Authz; {
	case h.authz != nil:
		conn = h.authz.server.Local(rpc.Edge)
	case address != "":
		dialed, err := h.peers.dial(address, rpc.Edge)
		if err != nil {
			return nil, fmt.Errorf("edge.authz_address: %w", err)
		}
		conn = dialed
	default:
		return nil, nil
	}
	return authzv1.NewAuthzClient(conn), nil
}
