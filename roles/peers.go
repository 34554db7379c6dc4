package roles

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/trust"
)

// peers keeps the connections to services in other processes, one for each address, its role and the caller's, until the process ends. It is
// the first service to start, and so the last to stop.
type peers struct {
	identity *trust.Identity
	// mu guards conns.
	mu    sync.Mutex
	conns map[peer]*grpc.ClientConn
}

type peer struct {
	address string
	server  rpc.Role
	caller  rpc.Role
}

func newPeers(identity *trust.Identity) *peers {
	return &peers{identity: identity, conns: map[peer]*grpc.ClientConn{}}
}

// dial is a connection to all replicas behind an address, which must be of the role server, for a caller of a role.
func (p *peers) dial(address string, server, caller rpc.Role) (*grpc.ClientConn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := peer{address, server, caller}
	if conn := p.conns[key]; conn != nil {
		return conn, nil
	}
	c := rpc.ClientConfig{Tables: rpc.House(), Claim: caller}
	if p.identity != nil {
		c.TLS = p.identity.Client(string(server))
	}
	conn, err := rpc.Dial(address, c)
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
