package http1

import (
	"bytes"
	"strings"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Framing says how the body of a message is delimited and what becomes of its connection.
type Framing struct {
	Length    int64 // bytes, Chunked or UntilClose
	KeepAlive bool
	Continue  bool // the client waits for 100 Continue
	Upgrade   bool // the client asks for another protocol
}

// ReadRequest reads the head of the next request into r. One empty line before it is tolerated (RFC 9112, 2.2). An
// *Error is a request to be refused, any other error a connection that gave nothing to answer.
func (b *Reader) ReadRequest(r *exchange.Request) (Framing, error) {
	head, err := b.head(true)
	if err != nil {
		return Framing{}, err
	}
	line := bytes.IndexByte(head, '\n')
	if err := b.requestLine(head[:line-1], r); err != nil {
		return Framing{}, err
	}
	s := scan{http11: r.Protocol == "HTTP/1.1"}
	if r.Headers, err = s.fields(head[line+1:len(head)-2], r.Headers); err != nil {
		return Framing{}, err
	}
	return s.framing(r)
}

func (b *Reader) requestLine(line []byte, r *exchange.Request) error {
	sp := bytes.IndexByte(line, ' ')
	if sp <= 0 || !allTokens(line[:sp]) {
		return bad("the request line has no valid method")
	}
	rest := line[sp+1:]
	end := bytes.IndexByte(rest, ' ')
	if end <= 0 {
		return bad("the request line is not method, target and version")
	}
	target, version := rest[:end], rest[end+1:]
	switch string(version) {
	case "HTTP/1.1":
		r.Protocol = "HTTP/1.1"
	case "HTTP/1.0":
		r.Protocol = "HTTP/1.0"
	default:
		if len(version) == 8 && string(version[:5]) == "HTTP/" && isDigit(version[5]) && version[6] == '.' && isDigit(version[7]) {
			return &Error{505, "the HTTP version is not supported"}
		}
		return bad("the HTTP version is malformed")
	}
	if len(target) > b.limits.Target {
		return &Error{414, "the URL is too long"}
	}
	r.Method = exchange.View(line[:sp])
	return setTarget(r, exchange.View(target))
}

// setTarget takes the forms of a request target (RFC 9112, 3.2). The authority of the absolute form replaces Host.
func setTarget(r *exchange.Request, target string) error {
	switch {
	case target[0] == '/':
	case target == "*" && r.Method == "OPTIONS":
	default:
		var ok bool
		if r.Host, target, ok = absolute(target); !ok {
			return bad("the request target is malformed")
		}
	}
	return SplitTarget(r, target)
}

// absolute splits http://host/path?query; an empty path is "/".
func absolute(target string) (host, rest string, ok bool) {
	scheme, after, found := strings.Cut(target, "://")
	if !found || !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https") {
		return "", "", false
	}
	end := strings.IndexAny(after, "/?")
	switch {
	case end < 0:
		host, rest = after, "/"
	case after[end] == '?':
		host, rest = after[:end], "/"+after[end:]
	default:
		host, rest = after[:end], after[end:]
	}
	return host, rest, validHost(host)
}

// SplitTarget sets path and query and refuses characters that must be encoded (spec/rest.md 1.4).
func SplitTarget(r *exchange.Request, target string) error {
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '#' {
			return bad("the request target holds a character that must be encoded")
		}
	}
	r.Target, r.Path, r.RawQuery = target, target, ""
	if q := strings.IndexByte(target, '?'); q >= 0 {
		r.Path, r.RawQuery = target[:q], target[q+1:]
		if strings.ContainsAny(r.RawQuery, "|{}") {
			return bad("the query string holds a character that must be encoded")
		}
	}
	return nil
}

// framing decides the body's length from what the fields said (RFC 9112, 6.3), more strictly: whoever sends both a
// length and a transfer coding, or several lengths, is refused.
func (s *scan) framing(r *exchange.Request) (Framing, error) {
	switch {
	case s.hosts > 1:
		return Framing{}, bad("there is more than one Host header")
	case s.hosts == 0 && s.http11:
		return Framing{}, bad("there is no Host header")
	case s.hosts == 1 && !validHost(s.host):
		return Framing{}, bad("the Host header is malformed")
	case s.codings > 0 && !s.http11:
		return Framing{}, bad("HTTP/1.0 has no transfer codings")
	case s.codings > 1 || s.codings == 1 && s.lengths > 0:
		return Framing{}, bad("Transfer-Encoding is given twice or together with Content-Length")
	case s.codings == 1 && !strings.EqualFold(s.coding, "chunked"):
		return Framing{}, &Error{501, "the transfer coding is not supported"}
	case s.lengths > 1:
		return Framing{}, bad("there is more than one Content-Length header")
	case s.expect != "" && !strings.EqualFold(s.expect, "100-continue"):
		return Framing{}, &Error{417, "the expectation is not supported"}
	}
	if r.Host == "" {
		r.Host = s.host
	}
	f := Framing{Length: s.length, KeepAlive: s.keepAlive(), Continue: s.expect != "" && s.http11, Upgrade: s.upgrade}
	if s.codings == 1 {
		f.Length = Chunked
	}
	return f, nil
}

func (s *scan) keepAlive() bool { return !s.close && (s.http11 || s.keep) }
