package listener

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Forwarded are the networks of proxies that are believed in what they say of the client by X-Forwarded-For, -Proto and
// -Port. Nobody else is: these headers are the client's own then, and pass as they are.
type Forwarded proxyprotocol.Networks

// Apply makes the request that of the client behind the trusted proxies. X-Forwarded-For is cut behind the client, so that
// it looks as AWS's does: what the client sent of it, then the client.
func (f Forwarded) Apply(q *exchange.Request) {
	if len(f) == 0 || !f.trusts(q.Remote.Addr()) {
		return
	}
	for i := range q.Headers {
		switch h := &q.Headers[i]; {
		case strings.EqualFold(h.Name, "x-forwarded-proto") && (h.Value == "http" || h.Value == "https"):
			q.Proto = h.Value
		case strings.EqualFold(h.Name, "x-forwarded-port"):
			if port, err := strconv.ParseUint(h.Value, 10, 16); err == nil {
				q.LocalPort = uint16(port)
			}
		}
	}
	f.client(q)
}

func (f Forwarded) trusts(a netip.Addr) bool { return proxyprotocol.Networks(f).Contains(a) }

// client looks for the client from the last address to the first: each was written by the proxy behind it, so the first
// that is not a trusted proxy's is the last that can be believed.
func (f Forwarded) client(q *exchange.Request) {
	for i := len(q.Headers) - 1; i >= 0; i-- {
		if strings.EqualFold(q.Headers[i].Name, "x-forwarded-for") && !f.line(q, i) {
			return
		}
	}
}

// line reads one line of the search and reports whether it goes on in the line before. What is no address ends it.
func (f Forwarded) line(q *exchange.Request, i int) (on bool) {
	for rest := q.Headers[i].Value; rest != ""; {
		start := strings.LastIndexByte(rest, ',') + 1
		a, err := forwardedAddress(rest[start:])
		if err != nil {
			return false
		}
		q.Remote, q.Forwarded = a, true
		q.Headers[i].Value = rest
		kept := slices.DeleteFunc(q.Headers[i+1:], func(h exchange.Field) bool { return strings.EqualFold(h.Name, "x-forwarded-for") })
		q.Headers = q.Headers[:i+1+len(kept)]
		if !f.trusts(a.Addr()) {
			return false
		}
		rest = rest[:max(start-1, 0)]
	}
	return true
}

// forwardedAddress reads one element; some proxies write the port too.
func forwardedAddress(text string) (netip.AddrPort, error) {
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddrPort(text); err == nil {
		return a, nil
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]"))
	return netip.AddrPortFrom(a.Unmap(), 0), err
}
