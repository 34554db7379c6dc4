package proxyprotocol

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/limen-gateway/limen/platform/peeked"
	"github.com/limen-gateway/limen/platform/settings"
)

// Networks are those whose word is taken for the address of a client. None is the zero value.
type Networks []netip.Prefix

// Contains reports whether an address lies in one of them.
func (n Networks) Contains(a netip.Addr) bool {
	a = a.Unmap()
	return slices.ContainsFunc(n, func(p netip.Prefix) bool { return p.Contains(a) })
}

// Check refuses, in the name of a setting, networks with address bits behind their mask: somebody meant another one.
func (n Networks) Check(setting string) error {
	for _, p := range n {
		if p != p.Masked() {
			return settings.Refuse(setting, "must be networks such as 10.0.0.0/8 or 10.1.2.3/32; %s is %s", p, p.Masked())
		}
	}
	return nil
}

// Trusted reads headers from trusted networks. nil trusts nobody. It is safe for concurrent use.
type Trusted struct {
	networks  Networks
	log       *slog.Logger
	malformed atomic.Int64
}

// Trust makes a Trusted; nil for no networks.
func Trust(networks Networks, log *slog.Logger) *Trusted {
	if len(networks) == 0 {
		return nil
	}
	return &Trusted{networks: networks, log: log}
}

// Trusts reports whether a connection may begin with a header.
func (t *Trusted) Trusts(c net.Conn) bool {
	if t == nil {
		return false
	}
	a, ok := c.RemoteAddr().(*net.TCPAddr)
	return ok && t.networks.Contains(a.AddrPort().Addr())
}

// Malformed is how many connections were refused because of their header.
func (t *Trusted) Malformed() int64 {
	if t == nil {
		return 0
	}
	return t.malformed.Load()
}

// Read takes the header, if there is one, off a connection that Trusts is true of, and returns what follows. It reads under
// the deadline that the caller has set. After an error the connection is worth nothing.
func (t *Trusted) Read(c net.Conn) (Addresses, net.Conn, error) {
	a, rest, err := Read(c)
	if errors.Is(err, ErrMalformed) {
		t.malformed.Add(1)
		t.log.Debug("connection closed: its PROXY header cannot be read", "remote", c.RemoteAddr().String(), "error", err)
	}
	return a, rest, err
}

// Read takes the header, if there is one, off the beginning of a connection and returns what follows. A header that comes
// in a segment of its own, and any of version 2, leaves the connection as it is.
func Read(c net.Conn) (Addresses, net.Conn, error) {
	// No request of HTTP and no handshake of TLS is shorter than this, so the wait for it is one for them too.
	buf := make([]byte, 0, longest1)
	for want := fixed2; ; {
		buf = slices.Grow(buf, max(want-len(buf), 0))
		read, err := c.Read(buf[len(buf):max(want, len(buf)+1)])
		buf = buf[:len(buf)+read]
		a, n, parsed := Parse(buf)
		switch {
		case parsed == nil && len(buf) > 0:
			return a, peeked.Conn(c, buf[n:]), nil
		case parsed != nil && !errors.Is(parsed, ErrShort):
			return Addresses{}, nil, parsed
		case errors.Is(err, io.EOF) && len(buf) > 0:
			return Addresses{}, peeked.Conn(c, buf), nil // it never was one
		case err != nil:
			return Addresses{}, nil, err
		}
		if want = max(n, fixed2); begins(buf, prefix1) && len(buf) >= fixed2 {
			want = longest1 // the end of the line is not known before it is there
		}
	}
}

// Conn is c with the addresses of the client's connection; c as it is when there are none.
func (a Addresses) Conn(c net.Conn) net.Conn {
	if !a.Source.IsValid() {
		return c
	}
	return &conn{Conn: c, addresses: a}
}

type conn struct {
	net.Conn
	addresses Addresses
}

// Under is the connection below; nothing was read from it ahead.
func (c *conn) Under() (below net.Conn, head []byte) { return c.Conn, nil }

func (c *conn) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(c.addresses.Source) }
func (c *conn) LocalAddr() net.Addr  { return net.TCPAddrFromAddrPort(c.addresses.Destination) }

// CloseWrite is the connection's own.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
