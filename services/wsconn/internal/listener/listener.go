// Package listener is the node's own door for clients that reach it without an edge before it: it reads the head of a
// handshake as it stands on the wire, asks an edge to run $connect, and hands the connection to the hub or answers with the
// refusal. One request per connection; what is no handshake is refused by the edge like any other. A socket for relays is the
// door for edges, which bring connections that have passed $connect.
package listener

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/limen-gateway/limen/platform/peeked"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// Socket is a listening socket; with TLS set its connections are encrypted. Edges come to those with Relay, clients to others.
type Socket struct {
	net.Listener
	TLS   *tls.Config
	Relay bool
}

// Config is what a Listener is made of.
type Config struct {
	Edge edgev1.EdgeClient
	// Mint makes connection ids; false while the node takes none.
	Mint func() (string, bool)
	// Take takes over a connection, from an edge or, with 0, a client.
	Take func(h *wsconnv1.Handoff, key string, c net.Conn, edge uint64)
	// Leave hears that an edge is about to end.
	Leave func(edge uint64)
	// ProxyProtocol reads the address of the client where it stands before the first byte; nil takes every peer for the client.
	ProxyProtocol *proxyprotocol.Trusted
	Log           *slog.Logger
}

const (
	headTime  = 20 * time.Second
	writeTime = 20 * time.Second
	maxTarget = 4096 // spec/websocket.md 2
	maxHead   = 10240
)

// Listener serves sockets.
type Listener struct {
	c     Config
	group sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // that are in their handshake
}

// New makes a listener.
func New(c Config) *Listener { return &Listener{c: c, conns: map[net.Conn]struct{}{}} }

// Run serves the sockets until ctx ends. It closes them, and ends handshakes under way.
func (l *Listener) Run(ctx context.Context, sockets ...Socket) error {
	failed := make(chan error, len(sockets))
	var accepting sync.WaitGroup
	for _, s := range sockets {
		accepting.Go(func() { failed <- l.accept(ctx, s) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	for _, s := range sockets {
		_ = s.Close()
	}
	accepting.Wait()
	l.mu.Lock()
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.group.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func (l *Listener) accept(ctx context.Context, s Socket) error {
	for delay := 5 * time.Millisecond; ; {
		c, err := s.Accept()
		if err == nil {
			delay = 5 * time.Millisecond
			l.start(ctx, c, s)
			continue
		}
		var passing interface{ Temporary() bool }
		if ctx.Err() != nil || !errors.As(err, &passing) || !passing.Temporary() {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, time.Second)
	}
}

func (l *Listener) start(ctx context.Context, c net.Conn, s Socket) {
	l.mu.Lock()
	l.conns[c] = struct{}{}
	l.mu.Unlock()
	l.group.Go(func() {
		open := l.direct
		if s.Relay {
			open = l.relayed
		}
		out, taken := open(ctx, c, s.TLS)
		l.mu.Lock()
		delete(l.conns, c)
		l.mu.Unlock()
		if taken == nil {
			_ = out.Close()
			return
		}
		_ = out.SetDeadline(time.Time{})
		taken()
	})
}

// direct returns what hands the connection of a client over; nil when it was answered otherwise. out is what the client and we
// speak over.
func (l *Listener) direct(ctx context.Context, c net.Conn, cfg *tls.Config) (out net.Conn, take func()) {
	out, h, key, rest := l.open(ctx, c, cfg)
	if h == nil {
		return out, nil
	}
	rest = bytes.Clone(rest)
	return out, func() { l.c.Take(h, key, peeked.Conn(out, rest), 0) }
}

// open reads what stands before a handshake, and the handshake. out is what the client and we speak over.
func (l *Listener) open(ctx context.Context, c net.Conn, cfg *tls.Config) (out net.Conn, h *wsconnv1.Handoff, key string, rest []byte) {
	_ = c.SetDeadline(time.Now().Add(headTime))
	var client proxyprotocol.Addresses
	if l.c.ProxyProtocol.Trusts(c) {
		told, behind, err := l.c.ProxyProtocol.Read(c)
		if err != nil {
			return c, nil, "", nil
		}
		client, c = told, behind
	}
	out = c
	if cfg != nil {
		out = tls.Server(c, cfg)
	}
	h, key, rest = l.handshake(ctx, out, client)
	return out, h, key, rest
}

// handshake returns the handoff of an accepted connection, or nil when it was answered otherwise.
func (l *Listener) handshake(ctx context.Context, c net.Conn, client proxyprotocol.Addresses) (h *wsconnv1.Handoff, key string, rest []byte) {
	r := bufio.NewReaderSize(c, maxTarget+maxHead+64)
	connect, status := readHead(r)
	switch {
	case status == dead:
		return nil, "", nil
	case status != 0:
		answer(c, plain(status))
		return nil, "", nil
	case connect.GetTarget() == "/ping", connect.GetTarget() == "/sping":
		answer(c, &edgev1.Refusal{Status: http.StatusOK, Headers: []*edgev1.Header{{Name: "Content-Type", Value: []byte("text/plain")}}, Body: []byte("healthy")})
		return nil, "", nil
	}
	ends := client.Conn(c)
	connect.Remote = ends.RemoteAddr().String()
	if a, ok := ends.LocalAddr().(*net.TCPAddr); ok {
		connect.LocalPort = uint32(a.Port)
	}
	_, connect.Tls = c.(*tls.Conn)
	id, ok := l.c.Mint()
	if !ok {
		answer(c, plain(http.StatusServiceUnavailable))
		return nil, "", nil
	}
	res, err := l.c.Edge.Invoke(ctx, &edgev1.InvokeRequest{ConnectionId: id, Event: &edgev1.InvokeRequest_Connect{Connect: connect}})
	switch {
	case err != nil:
		l.c.Log.Warn("a handshake found no edge", "connection_id", id, "error", err)
		answer(c, plain(http.StatusServiceUnavailable))
	case res.GetConnected() != nil:
		rest, _ = r.Peek(r.Buffered())
		return res.GetConnected(), header(connect, "sec-websocket-key"), rest
	default:
		answer(c, res.GetRefused())
	}
	return nil, "", nil
}

func plain(status int) *edgev1.Refusal {
	return &edgev1.Refusal{Status: int32(status), Headers: []*edgev1.Header{{Name: "Content-Type", Value: []byte("application/json")}},
		Body: []byte(`{"message":"` + http.StatusText(status) + `"}`)}
}

func header(c *edgev1.Connect, name string) string {
	value := ""
	for _, h := range c.GetHeaders() {
		if strings.EqualFold(h.GetName(), name) {
			value = string(h.GetValue())
		}
	}
	return value
}

// answer sends an HTTP answer; the connection ends with it.
func answer(c net.Conn, r *edgev1.Refusal) {
	out := append([]byte("HTTP/1.1 "), strconv.Itoa(int(r.GetStatus()))+" "+http.StatusText(int(r.GetStatus()))...)
	out = append(out, "\r\nDate: "+time.Now().UTC().Format(http.TimeFormat)...)
	out = append(out, "\r\nContent-Length: "+strconv.Itoa(len(r.GetBody()))+"\r\nConnection: close\r\n"...)
	for _, h := range r.GetHeaders() {
		if strings.ContainsAny(h.GetName()+string(h.GetValue()), "\r\n\x00") {
			continue
		}
		out = append(out, h.GetName()+": "+string(h.GetValue())+"\r\n"...)
	}
	_ = c.SetDeadline(time.Now().Add(writeTime))
	if _, err := c.Write(append(append(out, "\r\n"...), r.GetBody()...)); err != nil {
		return
	}
	// Closing with unread bytes would reset the connection before the answer is read.
	if half, ok := c.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
		_, _ = c.Read(make([]byte, 4096))
	}
}
