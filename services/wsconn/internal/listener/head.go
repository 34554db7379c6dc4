package listener

import (
	"bufio"
	"bytes"
	"errors"
	"net/http"
	"strings"

	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
)

// dead is the status of a connection that gave nothing to answer.
const dead = -1

// readHead reads the head of a GET, each field in its order and spelling: events and signatures need the original. It is
// strict, as the edge is: what two readers could read differently is refused. status is 0 for a head that was read.
func readHead(r *bufio.Reader) (c *edgev1.Connect, status int) {
	line, status := readLine(r, maxTarget+64)
	if status != 0 {
		if status == http.StatusRequestHeaderFieldsTooLarge {
			status = http.StatusRequestURITooLong
		}
		return nil, status
	}
	method, rest, ok1 := strings.Cut(line, " ")
	target, version, ok2 := strings.Cut(rest, " ")
	switch {
	case !ok1 || !ok2 || version != "HTTP/1.1" || !strings.HasPrefix(target, "/"):
		return nil, http.StatusBadRequest
	case len(target) > maxTarget:
		return nil, http.StatusRequestURITooLong
	case !isVisible(target) || strings.Contains(target, "#"):
		return nil, http.StatusBadRequest
	case method != http.MethodGet:
		return nil, http.StatusUpgradeRequired
	}
	c = &edgev1.Connect{Target: target}
	for left := maxHead; ; {
		line, status := readLine(r, left)
		if status != 0 {
			return nil, status
		}
		if line == "" {
			break
		}
		left -= len(line) + 2
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsFunc(value, isControl) {
			return nil, http.StatusBadRequest
		}
		c.Headers = append(c.Headers, &edgev1.Header{Name: name, Value: []byte(strings.Trim(value, " \t"))})
	}
	return c, check(c)
}

// check finds the host. A handshake has no body.
func check(c *edgev1.Connect) (status int) {
	for _, h := range c.GetHeaders() {
		switch {
		case strings.EqualFold(h.GetName(), "host"):
			if c.Host != "" {
				return http.StatusBadRequest
			}
			c.Host = string(h.GetValue())
		case strings.EqualFold(h.GetName(), "transfer-encoding"), strings.EqualFold(h.GetName(), "content-length") && string(h.GetValue()) != "0":
			return http.StatusBadRequest
		}
	}
	if c.Host == "" || !isVisible(c.Host) {
		return http.StatusBadRequest
	}
	return 0
}

// readLine reads a line that ends in CRLF.
func readLine(r *bufio.Reader, limit int) (line string, status int) {
	b, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull), err == nil && len(b)-2 > limit:
		return "", http.StatusRequestHeaderFieldsTooLarge
	case err != nil:
		return "", dead
	case !bytes.HasSuffix(b, []byte("\r\n")):
		return "", http.StatusBadRequest
	}
	return string(b[:len(b)-2]), 0
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// isVisible tells whether a text is of visible ASCII characters alone.
func isVisible(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r|0x20 && r|0x20 <= 'z' || '0' <= r && r <= '9' || r < 0x7f && strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	})
}
