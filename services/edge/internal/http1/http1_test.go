package http1

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

var limits = Limits{Target: 100, Head: 300}

// readAll reads requests from text until the end and renders what was read, one line each.
func readAll(src io.Reader) string {
	var out []string
	b := NewReader(src, 512, 512, limits)
	for {
		var r exchange.Request
		f, err := b.ReadRequest(&r)
		if err == nil {
			var body []byte
			if body, err = b.AppendBody(nil, f.Length, 50); err == nil {
				line := r.Method + " " + r.Target + " host=" + r.Host + " body=" + string(body)
				for _, h := range r.Headers {
					line += " " + h.Name + "=" + h.Value
				}
				if !f.KeepAlive {
					line += " close"
				}
				if f.Continue {
					line += " continue"
				}
				out = append(out, line)
				b.Next()
				continue
			}
		}
		var refused *Error
		if errors.As(err, &refused) {
			out = append(out, strings.Join([]string{"!", statusText(refused.Status), refused.Reason}, " "))
		} else if err != io.EOF {
			out = append(out, "! "+err.Error())
		}
		return strings.Join(out, "\n")
	}
}

func statusText(s int) string {
	return string([]byte{byte('0' + s/100), byte('0' + s/10%10), byte('0' + s%10)})
}

var requests = []struct{ name, in, want string }{
	{"plain", "GET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n", "GET /a?b=c host=h body= Host=h"},
	{"order, case and duplicates stay", "GET / HTTP/1.1\r\nhOST: h\r\nX-b: 1\r\nx-B:2 \r\nX-b:\r\n\r\n", "GET / host=h body= hOST=h X-b=1 x-B=2 X-b="},
	{"pipelined", "GET /1 HTTP/1.1\r\nHost: h\r\n\r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nabGET /3 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /1 host=h body= Host=h\nPOST /2 host=h body=ab Host=h Content-Length=2\nGET /3 host=h body= Host=h"},
	{"one empty line before is tolerated", "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / host=h body= Host=h"},
	{"two are not", "\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the message does not begin with a token"},
	{"chunked", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=\"y\"\r\n0123456789\r\n0\r\nT: v\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\n", "POST / host=h body=abc0123456789 Host=h Transfer-Encoding=Chunked\nGET /2 host=h body= Host=h"},
	{"absolute form", "GET http://other:81/p?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET /p?q host=other:81 body= Host=h"},
	{"absolute form without a path", "GET HTTPS://other?q HTTP/1.1\r\nHost: h\r\n\r\n", "GET /?q host=other body= Host=h"},
	{"asterisk form", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS * host=h body= Host=h"},
	{"HTTP/1.0 closes", "GET / HTTP/1.0\r\n\r\n", "GET / host= body= close"},
	{"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: foo, Keep-Alive\r\n\r\n", "GET / host= body= Connection=foo, Keep-Alive"},
	{"close", "GET / HTTP/1.1\r\nHost: h\r\nConnection: x,close\r\n\r\n", "GET / host=h body= Host=h Connection=x,close close"},
	{"expects 100", "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx", "POST / host=h body=x Host=h Expect=100-Continue Content-Length=1 continue"},
	{"value bytes above ASCII stay", "GET / HTTP/1.1\r\nHost: h\r\nA: \xff\tb\r\n\r\n", "GET / host=h body= Host=h A=\xff\tb"},

	{"length and coding", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "! 400 Transfer-Encoding is given twice or together with Content-Length"},
	{"coding twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "! 400 Transfer-Encoding is given twice or together with Content-Length"},
	{"other coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "! 501 the transfer coding is not supported"},
	{"hidden coding", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n", "! 501 the transfer coding is not supported"},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", "! 400 HTTP/1.0 has no transfer codings"},
	{"two equal lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "! 400 there is more than one Content-Length header"},
	{"differing lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\nx", "! 400 there is more than one Content-Length header"},
	{"length list", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\n\r\nx", "! 400 Content-Length is not a number"},
	{"signed length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +1\r\n\r\nx", "! 400 Content-Length is not a number"},
	{"empty length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length:\r\n\r\nx", "! 400 Content-Length is not a number"},
	{"overlong length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000000000000000000\r\n\r\nx", "! 400 Content-Length is not a number"},
	{"bare line feed after the request line", "GET / HTTP/1.1\nHost: h\r\n\r\n", "! 400 a line ends in a bare line feed"},
	{"bare line feed after a header", "GET / HTTP/1.1\r\nHost: h\nA: b\r\n\r\n", "! 400 a line ends in a bare line feed"},
	{"bare line feed as the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", "! 400 a line ends in a bare line feed"},
	{"bare carriage return", "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n", "! 400 a header value holds a control character"},
	{"folded line", "GET / HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", "! 400 a header line is malformed"},
	{"folded with a tab", "GET / HTTP/1.1\r\nHost: h\r\n\tc: d\r\n\r\n", "! 400 a header line is malformed"},
	{"space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", "! 400 a header line is malformed"},
	{"no colon", "GET / HTTP/1.1\r\nHost: h\r\nabc\r\n\r\n", "! 400 a header line is malformed"},
	{"empty name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", "! 400 a header line is malformed"},
	{"NUL in a value", "GET / HTTP/1.1\r\nHost: h\r\nA: \x00\r\n\r\n", "! 400 a header value holds a control character"},
	{"NUL in a name", "GET / HTTP/1.1\r\nHost: h\r\nA\x00: b\r\n\r\n", "! 400 a header line is malformed"},
	{"no host", "GET / HTTP/1.1\r\n\r\n", "! 400 there is no Host header"},
	{"two hosts", "GET / HTTP/1.1\r\nHost: h\r\nhost: h\r\n\r\n", "! 400 there is more than one Host header"},
	{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", "! 400 the Host header is malformed"},
	{"bad host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "! 400 the Host header is malformed"},
	{"userinfo in the authority", "GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target is malformed"},
	{"authority form", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target is malformed"},
	{"asterisk of another method", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target is malformed"},
	{"relative target", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target is malformed"},
	{"control character in the target", "GET /a\x01 HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target holds a character that must be encoded"},
	{"fragment", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request target holds a character that must be encoded"},
	{"pipe in the query", "GET /a?b|c HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the query string holds a character that must be encoded"},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request line is not method, target and version"},
	{"no version", "GET /\r\nHost: h\r\n\r\n", "! 400 the request line is not method, target and version"},
	{"other version", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", "! 505 the HTTP version is not supported"},
	{"broken version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", "! 400 the HTTP version is malformed"},
	{"lower-case version", "GET / http/1.1\r\nHost: h\r\n\r\n", "! 400 the HTTP version is malformed"},
	{"bad method", "G(T / HTTP/1.1\r\nHost: h\r\n\r\n", "! 400 the request line has no valid method"},
	{"another protocol", "\x16\x03\x01\x02", "! 400 the message does not begin with a token"},
	{"other expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: x\r\n\r\n", "! 417 the expectation is not supported"},
	{"long URL", "GET /" + strings.Repeat("a", 100) + " HTTP/1.1\r\nHost: h\r\n\r\n", "! 414 the URL is too long"},
	{"endless URL", "GET /" + strings.Repeat("a", 200), "! 414 the URL is too long"},
	{"long headers", "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", 300) + "\r\n\r\n", "! 431 the header lines are too long"},
	{"endless headers", "GET / HTTP/1.1\r\nHost: h\r\nA: " + strings.Repeat("b", 400), "! 431 the header lines are too long"},
	{"large body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 51\r\n\r\n", "! 413 the body is too large"},
	{"large chunks", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n" + strings.Repeat("x", 40) + "\r\nb\r\n", "! 413 the body is too large"},
	{"chunk size is not hexadecimal", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "! 400 a chunk size is malformed"},
	{"chunk size with a prefix", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", "! 400 a chunk size is malformed"},
	{"chunk size with a space", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n", "! 400 a chunk size is malformed"},
	{"empty chunk size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", "! 400 a chunk size is malformed"},
	{"huge chunk size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1000000000000000\r\n", "! 400 a chunk size is malformed"},
	{"chunk size line with a bare line feed", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", "! 400 a line ends in a bare line feed"},
	{"chunk longer than its size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "! 400 a chunk does not end where its size says"},
	{"endless chunk extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("e", 600), "! 400 a line inside the body is too long"},
	{"bad trailer", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA : b\r\n\r\n", "! 400 a header line is malformed"},
	{"too many trailers", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("A: bbbbbbbbbb\r\n", 40) + "\r\n", "! 431 the trailer lines are too long"},
	{"ends in the headers", "GET / HTTP/1.1\r\nHost: h\r\n", "! 400 the connection ended inside the header lines"},
	{"ends in the body", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab", "! 400 the connection ended inside the body"},
	{"ends in a chunk", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "! 400 the connection ended inside the body"},
	{"ends before a chunk's end", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab", "! 400 the connection ended inside the body"},
	{"ends in a chunk size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5", "! 400 the connection ended inside the body"},
}

func TestReadRequest(t *testing.T) {
	for _, tt := range requests {
		t.Run(tt.name, func(t *testing.T) {
			if d := cmp.Diff(tt.want, readAll(strings.NewReader(tt.in))); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(tt.want, readAll(iotest.OneByteReader(strings.NewReader(tt.in)))); d != "" {
				t.Errorf("byte by byte: %s", d)
			}
		})
	}
}

func TestReadResponse(t *testing.T) {
	tests := []struct{ name, method, in, want string }{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", "200 ab keep"},
		{"no reason", "GET", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", "404  keep"},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", "200 ab keep"},
		{"until close", "GET", "HTTP/1.1 200 OK\r\n\r\nabc", "200 abc"},
		{"HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", "200 a"},
		{"interim answers are skipped", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\na", "201 a keep"},
		{"no body for HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", "200  keep"},
		{"no body with 304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 20\r\n\r\n", "304  keep"},
		{"too large", "GET", "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 60), "! the body is too large"},
		{"unasked switch", "GET", "HTTP/1.1 101 Switching\r\n\r\n", "! the server switched protocols unasked"},
		{"not HTTP", "GET", "SSH-2.0-OpenSSH\r\n\r\n", "! the status line is malformed"},
		{"bad status", "GET", "HTTP/1.1 2x0 OK\r\n\r\n", "! the status line is malformed"},
		{"bad header", "GET", "HTTP/1.1 200 OK\r\na b\r\n\r\n", "! a header line is malformed"},
		{"both", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "! the response's framing is ambiguous"},
		{"two lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "! the response has more than one Content-Length"},
		{"grows for a large head", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: " + strings.Repeat("b", 250) + "\r\n\r\n", "200  keep"},
		{"cut", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab", "! the connection ended inside the body"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := NewReader(strings.NewReader(tt.in), 64, 512, limits)
			status, _, f, err := b.ReadResponse(tt.method, nil)
			var body []byte
			if err == nil {
				body, err = b.AppendBody(nil, f.Length, 50)
			}
			got := statusText(status) + " " + string(body)
			if f.KeepAlive {
				got += " keep"
			}
			if err != nil {
				got = "! " + err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestReader_movesUnreadBytesWithoutTouchingTheHead(t *testing.T) {
	head := "POST /abc HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
	in := head + strings.Repeat("1;"+strings.Repeat("e", 40)+"\r\nx\r\n", 40) + "0\r\n\r\n"
	b := NewReader(strings.NewReader(in), len(head)+64, len(head)+64, limits)
	var r exchange.Request
	f, err := b.ReadRequest(&r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := b.AppendBody(nil, f.Length, 50)
	if err != nil || len(body) != 40 || r.Path != "/abc" || r.Headers[0].Value != "h" {
		t.Errorf("%v %q %+v", err, body, r)
	}
}

// FuzzReadRequest: no input makes the reader fail otherwise than by refusing, and reading byte by byte changes nothing.
func FuzzReadRequest(f *testing.F) {
	for _, tt := range requests {
		f.Add([]byte(tt.in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := readAll(strings.NewReader(string(in)))
		if slow := readAll(iotest.OneByteReader(strings.NewReader(string(in)))); slow != whole {
			t.Fatalf("whole %q\nslow %q", whole, slow)
		}
	})
}

func BenchmarkReadRequest(b *testing.B) {
	const in = "GET /prod/pets/1?a=b HTTP/1.1\r\nHost: abc.execute-api.localhost\r\nUser-Agent: curl/8\r\nAccept: */*\r\nX-Request-Id: 12345\r\n\r\n"
	src := strings.NewReader(in)
	r := NewReader(src, 24<<10, 24<<10, Limits{10240, 10240})
	var req exchange.Request
	b.ReportAllocs()
	for b.Loop() {
		src.Reset(in)
		req.Headers = req.Headers[:0]
		if _, err := r.ReadRequest(&req); err != nil {
			b.Fatal(err)
		}
		r.Next()
	}
}

func TestAppendField_cannotBeSplit(t *testing.T) {
	for _, tt := range []struct{ name, value, want string }{
		{"A", "b", "A: b\r\n"},
		{"A", "b\r\nSet-Cookie: c\x00", "A: b  Set-Cookie: c \r\n"},
		{"A: b\r\nC", "d", ""},
		{"", "d", ""},
	} {
		if got := string(AppendField(nil, tt.name, tt.value)); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
