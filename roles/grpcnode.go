package roles

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/limen-gateway/limen/platform/rpc"
)

// grpcNode is a role that answers gRPC: its service, and the server that answers for it, to this process and, where the
// setting names an address, to others.
type grpcNode struct {
	service         answerer
	server          *rpc.Server
	setting, listen string
}

// answerer is a service with gRPC methods.
type answerer interface {
	Register(grpc.ServiceRegistrar)
	Run(context.Context) error
}

// grpcNode makes one whose calls in flight may take a while when it ends; 0 is rpc.DefaultStopTimeout.
func (h *house) grpcNode(service answerer, setting, listen string, drain time.Duration) *grpcNode {
	n := &grpcNode{service, h.newServer(drain), setting, listen}
	service.Register(n.server)
	return n
}

func (h *house) newServer(drain time.Duration) *rpc.Server {
	c := h.serverConfig()
	c.StopTimeout = drain
	return rpc.NewServer(c)
}

// serverConfig is how a server of this process knows its callers: by their certificates, or by what they say where the
// settings allow it.
func (h *house) serverConfig() rpc.Config {
	c := rpc.Config{Tables: rpc.House(), Log: h.telemetry.Log, Traces: h.telemetry.Traces, TrustClaims: h.config.Trust.Insecure}
	if secure := h.serverTLS(); secure != nil {
		c.TLS = credentials.NewTLS(secure)
	}
	return c
}

// serverTLS secures a listener that only the roles reach, or any role without one; nil where the process has no identity.
func (h *house) serverTLS(roles ...string) *tls.Config {
	if h.identity == nil {
		return nil
	}
	return h.identity.Server(roles...)
}

// clientTLS secures a connection to a process of a role; nil where this process has no identity.
func (h *house) clientTLS(role string) *tls.Config {
	if h.identity == nil {
		return nil
	}
	return h.identity.Client(role)
}

// Run answers until ctx ends.
func (n *grpcNode) Run(ctx context.Context) error {
	listeners, err := listenGRPC(n.setting, n.listen)
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

// reach is the way of a caller to a service, which is of the role server: to that of this process, or to the address of a setting; nil when there is
// neither.
func (h *house) reach(local *grpcNode, setting, address string, server, caller rpc.Role) (grpc.ClientConnInterface, error) {
	switch {
	case local != nil:
		return local.server.Local(caller), nil
	case address == "":
		return nil, nil
	}
	conn, err := h.peers.dial(address, server, caller)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return conn, nil
}
