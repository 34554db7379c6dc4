package roles

import (
	"sync"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/rpc"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
)

// peers keeps connections to edges in other processes, by address.
type peers struct {
	// mu guards edges.
	mu    sync.Mutex
	edges map[string]*grpc.ClientConn
}

func newPeers() *peers { return &peers{edges: map[string]*grpc.ClientConn{}} }

func (p *peers) edge(address string) (edgev1.EdgeClient, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	conn := p.edges[address]
	if conn == nil {
		var err error
		if conn, err = rpc.Dial(address, rpc.ClientConfig{Tables: rpc.House(), Claim: rpc.Admin}); err != nil {
			return nil, err
		}
		p.edges[address] = conn
	}
	return edgev1.NewEdgeClient(conn), nil
}

func (p *peers) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.edges {
		_ = conn.Close()
	}
}
