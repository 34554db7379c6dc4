package roles

import (
	"context"
	"fmt"
	"net"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

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

func (h *house) grpcNode(service answerer, setting, listen string) *grpcNode {
	n := &grpcNode{service, h.newServer(), setting, listen}
	service.Register(n.server)
	return n
}

func (h *house) newServer() *rpc.Server {
	return rpc.NewServer(rpc.Config{Tables: rpc.House(), Log: h.telemetry.Log, Traces: h.telemetry.Traces, TrustClaims: true})
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

// reach is the way of a role to a service: to that of this process, or to the address of a setting; nil when there is
// neither.
func (h *house) reach(local *grpcNode, setting, address string, role rpc.Role) (grpc.ClientConnInterface, error) {
	switch {
	case local != nil:
		return local.server.Local(role), nil
	case address == "":
		return nil, nil
	}
	conn, err := h.peers.dial(address, role)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return conn, nil
}
