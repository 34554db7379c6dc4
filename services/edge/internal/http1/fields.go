package http1

import (
	"bytes"
	"strings"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// scan collects what the header fields of one message say about its framing.
type scan struct {
	http11 bool

	hosts, lengths, codings int
	host, coding, expect    string
	length                  int64
	close, keep, upgrade    bool
}

// fields parses header lines into dst; lines ends with the last line's CRLF.
func (s *scan) fields(lines []byte, dst []exchange.Field) ([]exchange.Field, error) {
	for len(lines) > 0 {
		end := bytes.IndexByte(lines, '\n')
		name, value, err := field(lines[:end-1])
		if err != nil {
			return dst, err
		}
		if err := s.note(name, value); err != nil {
			return dst, err
		}
		dst = append(dst, exchange.Field{Name: name, Value: value})
		lines = lines[end+1:]
	}
	return dst, nil
}

// field splits one line without its CRLF. A line that begins with white space would be a folded one and is refused with
// the rest: white space is no token.
func field(line []byte) (name, value string, err error) {
	colon := 0
	for colon < len(line) && isToken(line[colon]) {
		colon++
	}
	if colon == 0 || colon == len(line) || line[colon] != ':' {
		return "", "", bad("a header line is malformed")
	}
	v := line[colon+1:]
	for len(v) > 0 && (v[0] == ' ' || v[0] == '\t') {
		v = v[1:]
	}
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t') {
		v = v[:len(v)-1]
	}
	if !validText(v) {
		return "", "", bad("a header value holds a control character")
	}
	return exchange.View(line[:colon]), exchange.View(v), nil
}

// note remembers the fields that frame the message.
func (s *scan) note(name, value string) error {
	switch len(name) {
	case 4:
		if strings.EqualFold(name, "host") {
			s.hosts++
			s.host = value
		}
	case 6:
		if strings.EqualFold(name, "expect") {
			s.expect = value
		}
	case 7:
		if strings.EqualFold(name, "upgrade") {
			s.upgrade = value != ""
		}
	case 10:
		if strings.EqualFold(name, "connection") {
			s.connection(value)
		}
	case 14:
		if strings.EqualFold(name, "content-length") {
			s.lengths++
			var ok bool
			if s.length, ok = parseLength(value); !ok {
				return bad("Content-Length is not a number")
			}
		}
	case 17:
		if strings.EqualFold(name, "transfer-encoding") {
			s.codings++
			s.coding = value
		}
	}
	return nil
}

func (s *scan) connection(value string) {
	for value != "" {
		token := value
		if i := strings.IndexByte(value, ','); i >= 0 {
			token, value = value[:i], value[i+1:]
		} else {
			value = ""
		}
		token = strings.Trim(token, " \t")
		switch {
		case strings.EqualFold(token, "close"):
			s.close = true
		case strings.EqualFold(token, "keep-alive"):
			s.keep = true
		}
	}
}

// parseLength: digits only, no sign, no list, no more than 18 of them.
func parseLength(s string) (int64, bool) {
	var n int64
	for i := range len(s) {
		if !isDigit(s[i]) {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, s != "" && len(s) <= 18
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// The character classes of RFC 9110: token characters, and characters of a host.
var tokens, hostChars = classes()

func classes() (tokens, hosts [256]bool) {
	for c := byte('0'); c <= '9'; c++ {
		tokens[c], hosts[c] = true, true
	}
	for c := byte('a'); c <= 'z'; c++ {
		tokens[c], hosts[c] = true, true
		tokens[c-0x20], hosts[c-0x20] = true, true
	}
	for _, c := range []byte("!#$%&'*+-.^_`|~") {
		tokens[c] = true
	}
	for _, c := range []byte("-._~%!$&'()*+,;=:[]") {
		hosts[c] = true
	}
	return tokens, hosts
}

func isToken(c byte) bool { return tokens[c] }

func allTokens(b []byte) bool {
	for _, c := range b {
		if !tokens[c] {
			return false
		}
	}
	return true
}

func validHost(s string) bool {
	for i := range len(s) {
		if !hostChars[s[i]] {
			return false
		}
	}
	return s != ""
}

// validText: visible characters, space, tab and bytes above ASCII; no other control characters.
func validText(b []byte) bool {
	for _, c := range b {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
