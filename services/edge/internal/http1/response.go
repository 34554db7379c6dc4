package http1

import (
	"bytes"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// ReadResponse reads the head of a response into headers and returns its status. Interim responses (1xx) are skipped.
// method is the request's: answers to HEAD have no body whatever they say.
func (b *Reader) ReadResponse(method string, headers []exchange.Field) (int, []exchange.Field, Framing, error) {
	for {
		head, err := b.head(false)
		if err != nil {
			return 0, headers, Framing{}, err
		}
		line := bytes.IndexByte(head, '\n')
		status, http11, ok := statusLine(head[:line-1])
		if !ok {
			return 0, headers, Framing{}, bad("the status line is malformed")
		}
		s := scan{http11: http11}
		if headers, err = s.fields(head[line+1:len(head)-2], headers); err != nil {
			return 0, headers, Framing{}, err
		}
		if status >= 200 {
			f, err := s.responseFraming(method, status)
			return status, headers, f, err
		}
		if status == 101 {
			return 0, headers, Framing{}, bad("the server switched protocols unasked")
		}
		headers = headers[:0]
		b.Next()
	}
}

// statusLine reads HTTP/1.x SP 3DIGIT [SP reason].
func statusLine(line []byte) (status int, http11, ok bool) {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return 0, false, false
	}
	for _, c := range line[9:12] {
		if !isDigit(c) {
			return 0, false, false
		}
		status = status*10 + int(c-'0')
	}
	return status, line[7] == '1', (line[7] == '1' || line[7] == '0') && status >= 100 && status < 600 && validText(line)
}

func (s *scan) responseFraming(method string, status int) (Framing, error) {
	f := Framing{KeepAlive: s.keepAlive()}
	switch {
	case method == "HEAD" || status == 204 || status == 304:
	case s.codings > 0:
		if s.codings > 1 || s.lengths > 0 || !equalChunked(s.coding) {
			return f, bad("the response's framing is ambiguous")
		}
		f.Length = Chunked
	case s.lengths > 1:
		return f, bad("the response has more than one Content-Length")
	case s.lengths == 1:
		f.Length = s.length
	default:
		f.Length, f.KeepAlive = UntilClose, false
	}
	return f, nil
}

func equalChunked(s string) bool {
	return len(s) == 7 && bytes.EqualFold([]byte(s), []byte("chunked"))
}
