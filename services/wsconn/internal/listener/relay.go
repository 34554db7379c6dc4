package listener

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/limen-gateway/limen/platform/connections"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// placeTime is how long a place is kept for an edge: authorizer and integration of $connect have 40 s between them.
const placeTime = 2 * time.Minute

// relayed gives an edge a place and waits for what it brings. It returns what hands the connection over; nil when none comes.
func (l *Listener) relayed(_ context.Context, c net.Conn, cfg *tls.Config) (out net.Conn, take func()) {
	if cfg != nil {
		c = tls.Server(c, cfg)
	}
	_ = c.SetDeadline(time.Now().Add(headTime))
	id, _ := l.c.Mint()
	if err := connections.WriteRelayed(c, &wsconnv1.RelayReserved{ConnectionId: id}); err != nil {
		l.c.Log.Warn("an edge cannot be given a place", "edge", c.RemoteAddr().String(), "error", err)
		return c, nil
	}
	_ = c.SetDeadline(time.Now().Add(placeTime))
	var q wsconnv1.RelayRequest
	switch err := connections.ReadRelayed(c, &q); {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed): // $connect refused, or this node ends
	case err != nil:
		l.c.Log.Warn("an edge does not say what it wants of its place", "edge", c.RemoteAddr().String(), "error", err)
	case q.GetLeave() != nil:
		l.c.Leave(q.GetEdge())
	case id != "" && q.GetOpen().GetHandoff().GetConnectionId() == id:
		return c, func() { l.c.Take(q.GetOpen().GetHandoff(), q.GetOpen().GetKey(), c, q.GetEdge()) }
	}
	return c, nil
}
