//go:build !linux

package relay

import (
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/limen-gateway/limen/platform/peeked"
)

// lingerTime is how long a client may stay after the node has said its last.
const lingerTime = 2 * time.Second

// pump relays connections, each by two goroutines.
type pump struct {
	group sync.WaitGroup

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]struct{}
	ended bool
}

func newPump() (*pump, error) { return &pump{conns: map[net.Conn]struct{}{}}, nil }

// run returns after ctx has ended, when all that was relayed is closed.
func (p *pump) run(ctx context.Context) {
	<-ctx.Done()
	p.mu.Lock()
	p.ended = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.group.Wait()
}

// take relays two connections: to the node goes toNode first, to the client toClient. done is called at the end.
func (p *pump) take(client, node net.Conn, toNode, toClient []byte, done func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		_, _ = client.Close(), node.Close()
		done()
		return
	}
	p.conns[client], p.conns[node] = struct{}{}, struct{}{}
	p.group.Go(func() {
		var both sync.WaitGroup
		both.Go(func() { copyTo(node, peeked.Conn(client, toNode)) })
		both.Go(func() {
			copyTo(client, peeked.Conn(node, toClient))
			_ = client.SetReadDeadline(time.Now().Add(lingerTime))
		})
		both.Wait()
		_, _ = client.Close(), node.Close()
		p.mu.Lock()
		delete(p.conns, client)
		delete(p.conns, node)
		p.mu.Unlock()
		done()
	})
}

// copyTo passes on what one says and its last word; a failure ends both.
func copyTo(to, from net.Conn) {
	_, err := io.Copy(to, from)
	half, ok := to.(interface{ CloseWrite() error })
	if err != nil || !ok || half.CloseWrite() != nil {
		_, _ = to.Close(), from.Close()
	}
}
