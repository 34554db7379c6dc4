package listener

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/platform/peeked"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
	"github.com/limen-gateway/limen/services/edge/internal/relay"
)

// conn is one client connection.
type conn struct {
	s   *Server
	net net.Conn
	tls *tls.ConnectionState
	r   *http1.Reader

	remote    netip.AddrPort
	localPort uint16
	proxied   proxyprotocol.Addresses // what a proxy told before the first byte

	idle   atomic.Bool // no request in flight
	handed bool        // the socket belongs to somebody else

	// arm is the time-out that the next read sets, 0 when the deadline in force is right. A head that arrives in one
	// piece thereby costs no timer of its own.
	arm       time.Duration
	idleSince time.Time // when the idle deadline in force was set; zero when another one is
	writeSet  time.Time
	now       time.Time // of the last answer: the clock is read once for it and for the wait after it
	out       []byte
}

// Read arms the deadline of what is being read, if it is not armed yet.
func (c *conn) Read(p []byte) (int, error) {
	if c.arm > 0 {
		c.idleSince = time.Time{}
		if err := c.net.SetReadDeadline(time.Now().Add(c.arm)); err != nil {
			return 0, err
		}
		c.arm = 0
	}
	return c.net.Read(p)
}

// run serves the connection to its end. kept tells that somebody else owns the socket now.
func (c *conn) run(ctx context.Context, socket Socket) (kept bool) {
	c.remote, c.localPort = addresses(c.net)
	if c.s.cfg.ProxyProtocol.Trusts(c.net) && !c.readProxyHeader() {
		return false
	}
	if socket.TLS != nil && !socket.Both {
		if kept, ok := c.handshake(ctx, nil, socket.TLS); !ok {
			return kept
		}
	}
	c.r = c.s.readers.Get().(*http1.Reader)
	c.r.Reset(c)
	defer func() {
		c.r.Reset(nil)
		c.s.readers.Put(c.r)
	}()
	for first := true; c.wait(); first = false {
		if first && socket.Both && c.r.Buffered()[0] == handshakeRecord {
			if kept, ok := c.handshake(ctx, bytes.Clone(c.r.Buffered()), socket.TLS); !ok {
				return kept
			}
			c.r.Reset(c)
			continue
		}
		if first && c.tls == nil && c.isHTTP2() {
			return c.s.h2conns.give(c.proxied.Conn(peeked.Conn(c.net, bytes.Clone(c.r.Buffered()))))
		}
		if !c.serveOne(ctx) {
			return c.handed
		}
		c.r.Next()
	}
	return false
}

// readProxyHeader learns from a trusted proxy who the client is. While nothing came the connection is idle.
func (c *conn) readProxyHeader() bool {
	if c.net.SetReadDeadline(time.Now().Add(c.s.cfg.HeadTimeout)) != nil {
		return false
	}
	c.idle.Store(true)
	defer c.idle.Store(false)
	if c.s.draining.Load() {
		return false
	}
	told, rest, err := c.s.cfg.ProxyProtocol.Read(c.net)
	if err != nil {
		return false
	}
	c.s.mu.Lock()
	c.net = rest
	c.s.mu.Unlock()
	if told.Source.IsValid() {
		c.proxied, c.remote, c.localPort = told, told.Source, told.Destination.Port()
	}
	return true
}

// handshakeRecord is the first byte of TLS, which no request of HTTP begins with.
const handshakeRecord = 0x16

// handshake completes TLS, of which head was read already, and gives the connection to HTTP/2 when that was agreed on.
func (c *conn) handshake(ctx context.Context, head []byte, cfg *tls.Config) (kept, ok bool) {
	tc := tls.Server(relay.Conn(c.proxied.Conn(c.net), head), cfg)
	ctx, cancel := context.WithTimeout(ctx, c.s.cfg.HeadTimeout)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		return false, false
	}
	state := tc.ConnectionState()
	if state.NegotiatedProtocol == "h2" {
		return c.s.h2conns.give(tc), false
	}
	c.s.mu.Lock()
	c.net = tc
	c.s.mu.Unlock()
	c.tls = &state
	return false, true
}

func addresses(nc net.Conn) (remote netip.AddrPort, port uint16) {
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		remote = a.AddrPort()
	}
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		port = uint16(a.Port)
	}
	return remote, port
}

// wait returns true when a request has begun. The idle deadline is refreshed once a second at most.
func (c *conn) wait() bool {
	if len(c.r.Buffered()) > 0 {
		return true
	}
	if c.now.IsZero() {
		c.now = time.Now()
	}
	if c.now.Sub(c.idleSince) > time.Second {
		if c.net.SetReadDeadline(c.now.Add(c.s.cfg.IdleTimeout)) != nil {
			return false
		}
		c.idleSince = c.now
	}
	// A yield before the read would save a system call at full load, but who yields queues behind everybody: the 99th
	// percentile was three times as long.
	c.idle.Store(true)
	defer c.idle.Store(false)
	return !c.s.draining.Load() && c.r.Wait(1) == nil
}

const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// isHTTP2 looks for the preface of HTTP/2 with prior knowledge. A request line cannot begin like it.
func (c *conn) isHTTP2() bool {
	for {
		have := c.r.Buffered()
		n := min(len(have), len(preface))
		if string(have[:n]) != preface[:n] {
			return false
		}
		if n == len(preface) {
			return true
		}
		c.arm = c.s.cfg.HeadTimeout
		if c.r.Wait(n+1) != nil {
			return false
		}
	}
}

// serveOne reads, answers and books one request. It reports whether the connection stays open.
func (c *conn) serveOne(ctx context.Context) bool {
	x := exchange.New()
	defer x.Release()
	x.Request.Received = time.Now()
	x.Request.Remote, x.Request.LocalPort, x.Request.TLS = c.remote, c.localPort, c.tls
	c.arm = c.s.cfg.HeadTimeout
	f, err := c.r.ReadRequest(&x.Request)
	x.AssignIDs(c.s.cfg.Number())
	if err != nil {
		return c.refuse(x, err)
	}
	c.s.cfg.Forwarded.Apply(&x.Request)
	if c.s.cfg.Fallback != nil && !c.s.cfg.Handler.Claims(x) {
		return c.serveFallback(ctx, x, f)
	}
	if f.Length != 0 {
		if err := c.readBody(x, f, c.s.cfg.MaxBody); err != nil {
			return c.refuse(x, err)
		}
	}
	healthy := c.s.serve(ctx, x)
	if x.Handover != nil && healthy {
		c.handOver(x)
		return false
	}
	return c.respond(x, f.KeepAlive && healthy && !c.s.leaving.Load())
}

// handOver gives the connection away, behind what was read beyond the request: a client may send its first message in the
// same segment as the handshake.
func (c *conn) handOver(x *exchange.Exchange) {
	c.s.closed(x, 0, time.Now())
	_ = c.net.SetDeadline(time.Time{})
	c.handed = true
	c.s.forget(c)
	x.Handover(c.net, bytes.Clone(c.r.Buffered()))
}

func (c *conn) readBody(x *exchange.Exchange, f http1.Framing, limit int) error {
	if f.Continue && f.Length <= int64(limit) && len(c.r.Buffered()) == 0 {
		c.touchWrite()
		if _, err := c.net.Write([]byte("HTTP/1.1 100 Continue\r\n\r\n")); err != nil {
			return err
		}
	}
	c.arm = c.s.cfg.BodyTimeout
	body, err := c.r.AppendBody(x.BodyBuffer(), f.Length, limit)
	x.StoreBody(body)
	return err
}

// refuse answers a request that cannot be read, and ends the connection. A connection that failed before it said
// anything is not answered.
func (c *conn) refuse(x *exchange.Exchange, err error) bool {
	var refused *http1.Error
	switch {
	case errors.As(err, &refused):
	case errors.Is(err, os.ErrDeadlineExceeded) && (x.Request.Method != "" || len(c.r.Buffered()) > 0):
		refused = late()
	default:
		return false
	}
	refusal(x, refused)
	c.respond(x, false)
	c.linger()
	return false
}

// linger lets the client read the answer before the socket closes: closing with unread bytes would reset the connection
// and could destroy the answer on its way.
func (c *conn) linger() {
	half, ok := c.net.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.net.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	buf := make([]byte, 4096)
	for range 64 {
		if _, err := c.net.Read(buf); err != nil {
			return
		}
	}
}

// touchWrite keeps the write deadline ahead; once a second is enough.
func (c *conn) touchWrite() {
	c.now = time.Now()
	if c.now.Sub(c.writeSet) > time.Second {
		c.writeSet = c.now
		_ = c.net.SetWriteDeadline(c.now.Add(c.s.cfg.WriteTimeout))
	}
}
