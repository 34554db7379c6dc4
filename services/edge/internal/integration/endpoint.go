package integration

import (
	"errors"
	"net/netip"
	"strings"
)

// endpoint is the address of a backend, read from the text of an integration URI. Its strings are parts of that text.
type endpoint struct {
	secure   bool
	host     string // as the Host header has it, with a port if one was written
	hostport string // to connect to
	name     string // for TLS
	path     string // with a leading slash
	query    string
}

var (
	errScheme = errors.New("it does not begin with http:// or https://")
	errHost   = errors.New("it has no valid host")
	errPort   = errors.New("its port is not 80, 443 or 1024 to 65535")
	errChar   = errors.New("it holds a character that a URI cannot have")
)

// parseEndpoint reads a URI that is ready to be called. What cannot be called is "Invalid endpoint address"
// (spec/rest.md 4.2). join makes host:port where the URI names no port.
func parseEndpoint(uri string, join func(host, port string) string) (endpoint, error) {
	var e endpoint
	rest, ok := strings.CutPrefix(uri, "http://")
	if !ok {
		if rest, ok = strings.CutPrefix(uri, "https://"); !ok {
			return e, errScheme
		}
		e.secure = true
	}
	for i := range len(rest) {
		if !uriChars[rest[i]] {
			return e, errChar
		}
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	e.host = rest[:end]
	e.path, e.query, _ = strings.Cut(rest[end:], "?")
	if e.path == "" {
		e.path = "/"
	}
	port := ""
	e.name, port, ok = splitHost(e.host)
	switch {
	case !ok:
		return e, errHost
	case port == "" && e.secure:
		e.hostport = join(e.name, "443")
	case port == "":
		e.hostport = join(e.name, "80")
	case !validPort(port):
		return e, errPort
	default:
		e.hostport = e.host
	}
	return e, nil
}

// splitHost separates host and port; brackets of an IPv6 address are removed.
func splitHost(s string) (host, port string, ok bool) {
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 || len(s) > end+1 && s[end+1] != ':' {
			return "", "", false
		}
		if _, err := netip.ParseAddr(s[1:end]); err != nil {
			return "", "", false
		}
		return s[1:end], strings.TrimPrefix(s[end+1:], ":"), !strings.HasSuffix(s, ":")
	}
	host, port, found := strings.Cut(s, ":")
	if found && port == "" || host == "" || host[0] == '.' || host[0] == '-' || strings.Contains(host, "..") {
		return "", "", false
	}
	for i := range len(host) {
		c := host[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') && c != '.' && c != '-' && c != '_' {
			return "", "", false
		}
	}
	return host, port, true
}

// validPort: 80, 443, 1024-65535 (spec/rest.md 4.2).
func validPort(s string) bool {
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' || i == 5 {
			return false
		}
		n = n*10 + int(s[i]-'0')
	}
	return n == 80 || n == 443 || n >= 1024 && n <= 65535
}

// uriChars are the characters a URI may hold, unreserved those that are never encoded.
var uriChars, unreserved = uriClasses()

func uriClasses() (uri, plain [256]bool) {
	for c := byte('0'); c <= '9'; c++ {
		plain[c] = true
	}
	for c := byte('a'); c <= 'z'; c++ {
		plain[c], plain[c-0x20] = true, true
	}
	for _, c := range []byte("-._~") {
		plain[c] = true
	}
	uri = plain
	for _, c := range []byte(":/?[]@!$&'()*+,;=%") {
		uri[c] = true
	}
	return uri, plain
}

// escapePath encodes a decoded path parameter for a backend's path. Slashes stay, so that a greedy value keeps its
// segments; "%" is encoded again (spec/rest.md 1.4).
func escapePath(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case unreserved[c], c == '/', strings.IndexByte("!$&'()*+,;=:@", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return dst
}

// escapeQuery encodes a name or a value of a query string.
func escapeQuery(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; unreserved[c] {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return dst
}
