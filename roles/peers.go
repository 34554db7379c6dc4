package roles

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/rpc"
)

// peers keeps the connections to services in other processes, one for each address and role, until the process ends. It is
// the first service to start, and so the last to stop.
type peers struct {
	// mu guards conns.
	mu    sync.Mutex
	conns map[peer]*grpc.ClientConn
}

type peer struct {
	address string
	role    rpc.Role
}

func newPeers() *peers { return &peers{conns: map[peer]*grpc.ClientConn{}} }

// dial is a connection to all replicas behind an address, for a caller of a role.
func (p *peers) dial(address string, role rpc.Role) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := peer{address, role}
	if conn := p.conns[key]; conn != nil {
		return conn, nil
	}
	conn, err := rpc.Dial(address, rpc.ClientConfig{Tables: rpc.House(), Claim: role})
	if err == nil {
		p.conns[key] = conn
	}
	return conn, err
}

// Run closes the connections when ctx ends.
func (p *peers) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		_ = conn.Close()
	}
	return nil
}
