package edge

import (
	"context"
	"net"

	"github.com/limen-gateway/limen/platform/peeked"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/edge/internal/plan"
	"github.com/limen-gateway/limen/services/edge/internal/relay"
)

// Node owns WebSocket connections in this process.
type Node interface {
	// Mint makes the id of a connection that is about to open; false while the node takes none.
	Mint() (id string, ok bool)
	// Take takes over a connection whose $connect has passed; key is its Sec-WebSocket-Key. It must not block.
	Take(h *wsconnv1.Handoff, key string, c net.Conn)
}

// Directory knows the nodes in other processes.
type Directory interface {
	// Nodes are the addresses where those that take connections take them from edges.
	Nodes() []string
}

// nodes finds places for connections: at the node of this process, else at one elsewhere. Either may be nil.
type nodes struct {
	local Node
	relay *relay.Relay
}

func (n nodes) Reserve(ctx context.Context) plan.Place {
	if n.local != nil {
		if id, ok := n.local.Mint(); ok {
			return &localPlace{node: n.local, id: id}
		}
	}
	if n.relay != nil {
		if p := n.relay.Reserve(ctx); p != nil {
			return p
		}
	}
	return nil
}

// localPlace is at the node of this process, which gets the connection itself.
type localPlace struct {
	node    Node
	id, key string
	handoff *wsconnv1.Handoff
}

func (p *localPlace) ID() string { return p.id }

func (p *localPlace) Open(h *wsconnv1.Handoff, key string) error {
	p.handoff, p.key = h, key
	return nil
}

func (p *localPlace) Take(c net.Conn, head []byte) {
	p.node.Take(p.handoff, p.key, peeked.Conn(c, head))
}

func (*localPlace) Release() {}

// abnormal is the close code of a connection that ended without a word.
const abnormal = 1006

// disconnect runs $disconnect of a connection that no node opened.
func (s *Service) disconnect(ctx context.Context, h *wsconnv1.Handoff) {
	_, err := s.Invoke(ctx, &edgev1.InvokeRequest{ConnectionId: h.GetConnectionId(), ApiId: h.GetApiId(), Stage: h.GetStage(), Session: h.GetSession(),
		Event: &edgev1.InvokeRequest_Disconnect{Disconnect: &edgev1.Disconnect{Code: abnormal}}})
	if err != nil {
		s.deps.Log.Error("$disconnect of a connection that no node opened failed", "connection_id", h.GetConnectionId(), "error", err)
	}
}
