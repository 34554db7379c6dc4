package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

// idleBackend is how long an unused connection to a backend is kept.
const idleBackend = 60 * time.Second

// maxAnswer is the largest answer of a backend (spec/rest.md 13.2); maxAnswerHead bounds its header lines.
const (
	maxAnswer     = 10485760
	maxAnswerHead = 64 << 10
)

// Client is the HTTP/1.1 client towards backends: it keeps connections, writes a request in one piece and reads the
// answer straight into the exchange. It never sends a request twice that may have reached the backend. It is safe for
// concurrent use; while Run runs, idle connections are closed in time.
type Client struct {
	dialer net.Dialer
	roots  *x509.CertPool // nil: the system's

	mu     sync.RWMutex
	pools  map[address]*backend
	closed bool
}

// address is what connections are pooled by.
type address struct {
	secure   bool
	hostport string
}

// backend holds the idle connections to one address, newest last.
type backend struct {
	mu   sync.Mutex
	idle []*upstream
}

// NewClient makes a Client; roots verify backends' certificates, nil means the system's.
func NewClient(roots *x509.CertPool) *Client {
	return &Client{pools: map[address]*backend{}, roots: roots, dialer: net.Dialer{KeepAlive: 30 * time.Second}}
}

// Run closes connections that are idle for long, and all of them when ctx ends.
func (c *Client) Run(ctx context.Context) {
	tick := time.NewTicker(idleBackend / 4)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			c.prune(now.Add(-idleBackend))
		case <-ctx.Done():
			c.mu.Lock()
			c.closed = true
			c.mu.Unlock()
			c.prune(time.Now().Add(time.Hour))
			return
		}
	}
}

// prune closes connections unused since before, and forgets backends without any.
func (c *Client) prune(before time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for a, b := range c.pools {
		b.mu.Lock()
		kept := b.idle[:0]
		for _, u := range b.idle {
			if u.since.Before(before) {
				_ = u.net.Close()
			} else {
				kept = append(kept, u)
			}
		}
		clear(b.idle[len(kept):])
		b.idle = kept
		if len(kept) == 0 {
			delete(c.pools, a)
		}
		b.mu.Unlock()
	}
}

// take returns an idle connection that is still open, or nil.
func (c *Client) take(a address) *upstream {
	c.mu.RLock()
	b := c.pools[a]
	c.mu.RUnlock()
	if b == nil {
		return nil
	}
	for {
		b.mu.Lock()
		n := len(b.idle)
		if n == 0 {
			b.mu.Unlock()
			return nil
		}
		u := b.idle[n-1]
		b.idle[n-1] = nil
		b.idle = b.idle[:n-1]
		b.mu.Unlock()
		if u.wire.quiet() {
			return u
		}
		_ = u.net.Close()
	}
}

// give keeps a connection for the next request.
func (c *Client) give(a address, u *upstream) {
	u.r.Next()
	u.since = time.Now()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed || len(u.r.Buffered()) > 0 {
		_ = u.net.Close()
		return
	}
	b := c.pools[a]
	if b == nil {
		c.mu.RUnlock()
		c.remember(a)
		c.mu.RLock()
		if b = c.pools[a]; b == nil || c.closed {
			_ = u.net.Close()
			return
		}
	}
	b.mu.Lock()
	b.idle = append(b.idle, u)
	b.mu.Unlock()
}

func (c *Client) remember(a address) {
	a.hostport = strings.Clone(a.hostport) // the key outlives the exchange
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pools[a] == nil {
		c.pools[a] = &backend{}
	}
}

func (c *Client) dial(ctx context.Context, e endpoint, deadline time.Time) (*upstream, error) {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	raw, err := c.dialer.DialContext(ctx, "tcp", strings.Clone(e.hostport))
	if err != nil {
		return nil, err
	}
	w := newWire(raw)
	u := &upstream{net: w, wire: w}
	if e.secure {
		tc := tls.Client(raw, &tls.Config{ServerName: strings.Clone(e.name), RootCAs: c.roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
		if err := tc.HandshakeContext(ctx); err != nil {
			_ = raw.Close()
			return nil, err
		}
		u.net, u.secure = tc, true
	}
	u.r = http1.NewReader(u.net, 8<<10, maxAnswerHead+8<<10, http1.Limits{Target: 4096, Head: maxAnswerHead})
	return u, nil
}

// outgoing is a request to a backend.
type outgoing struct {
	endpoint endpoint
	method   string
	deadline time.Time
	body     []byte
	// traceparent names the call's span to the backend; empty when its trace is not recorded.
	traceparent string
}

// errUnsent marks a request of which no byte left this edge.
var errUnsent = errors.New("the request was not sent")

// do sends a request and reads the answer into x.Backend. Only a request that did not leave on a kept connection is tried
// again, on a new one.
func (c *Client) do(ctx context.Context, x *exchange.Exchange, o *outgoing) error {
	a := address{o.endpoint.secure, o.endpoint.hostport}
	for {
		u := c.take(a)
		reused := u != nil
		if !reused {
			var err error
			if u, err = c.dial(ctx, o.endpoint, o.deadline); err != nil {
				return err
			}
		}
		keep, err := u.roundTrip(x, o)
		if err == nil && keep {
			c.give(a, u)
			return nil
		}
		_ = u.net.Close()
		if err != errUnsent || !reused {
			return err
		}
	}
}

// upstream is one connection to a backend.
type upstream struct {
	net    net.Conn // the wire, or TLS over it
	wire   *wire
	secure bool
	r      *http1.Reader
	out    []byte
	since  time.Time
}

// inlineBody is the largest body that is sent in one write with its head.
const inlineBody = 16 << 10

// roundTrip is one request and its answer on a connection.
func (u *upstream) roundTrip(x *exchange.Exchange, o *outgoing) (keep bool, err error) {
	if u.net.SetDeadline(o.deadline) != nil {
		return false, errUnsent
	}
	u.out = appendHead(x, u.out[:0], o)
	n, sent := u.send(o.body)
	if sent != nil && n == 0 && !errors.Is(sent, os.ErrDeadlineExceeded) {
		return false, errUnsent
	}
	// A backend may answer and close before it has read the whole body: its answer counts.
	keep, err = u.receive(x, o.method)
	if sent != nil {
		if err != nil {
			return false, sent
		}
		return false, nil
	}
	return keep, err
}

func (u *upstream) send(body []byte) (int, error) {
	if len(body) <= inlineBody {
		u.out = append(u.out, body...)
		if !u.secure && u.wire.hold(u.out) {
			return len(u.out), nil // what becomes of it shows when the answer is read
		}
		return u.net.Write(u.out)
	}
	n, err := (&net.Buffers{u.out, body}).WriteTo(u.net)
	return int(n), err
}

// receive reads the answer into the exchange's own memory, so that the connection is free afterwards.
func (u *upstream) receive(x *exchange.Exchange, method string) (keep bool, err error) {
	b := &x.Backend
	status, headers, f, err := u.r.ReadResponse(method, b.Headers[:0])
	b.Headers = headers
	if err != nil {
		return false, unexpectedEnd(err)
	}
	for i := range headers {
		headers[i].Name, headers[i].Value = x.Text2(headers[i].Name, headers[i].Value)
	}
	body := x.ReplyBuffer()
	if f.Length != 0 {
		if body, err = u.r.AppendBody(body, f.Length, maxAnswer); err != nil {
			return false, unexpectedEnd(err)
		}
		x.StoreReply(body)
	}
	b.Status, b.Body = status, body
	return f.KeepAlive, nil
}

func unexpectedEnd(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
