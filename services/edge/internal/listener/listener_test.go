package listener

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo answers with what it saw. Hosts that begin with "fallback" are not claimed.
type echo struct {
	mu     sync.Mutex
	closed []string
	hold   chan struct{} // when set, /hold waits for it
	held   chan struct{}
}

func (e *echo) Claims(x *exchange.Exchange) bool {
	return !strings.HasPrefix(x.Request.Host, "fallback")
}

func (e *echo) Serve(_ context.Context, x *exchange.Exchange) {
	switch x.Request.Path {
	case "/panic":
		panic("boom")
	case "/hold":
		e.held <- struct{}{}
		<-e.hold
	case "/large":
		x.Response.Status, x.Response.Body = 200, make([]byte, 1<<20)
		return
	case "/inject":
		x.AddResponseHeader("X", "a\r\nY: b")
	case "/nothing":
		x.Response.Status, x.Response.Body = 204, []byte("ignored")
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s host=%s body=%s", x.Request.Method, x.Request.Target, x.Request.Host, x.Request.Body)
	for _, h := range x.Request.Headers {
		if h.Name != "Host" && h.Name != "host" && !strings.EqualFold(h.Name, "user-agent") && !strings.EqualFold(h.Name, "accept-encoding") {
			b.WriteString(" " + h.Name + "=" + h.Value)
		}
	}
	x.AddResponseHeader("Content-Type", "text/plain")
	x.AddResponseHeader("Content-Length", "1")
	x.AddResponseHeader("x-Odd-case", "1")
	x.AddResponseHeader("x-Odd-case", "2")
	x.Response.Status, x.Response.Body = 200, []byte(b.String())
}

func (e *echo) Closed(x *exchange.Exchange) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cause, _ := x.Record.Cause()
	e.closed = append(e.closed, fmt.Sprintf("%d %s", x.Record.Status, cause.Text()))
}

func (e *echo) last() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.closed) == 0 {
		return ""
	}
	return e.closed[len(e.closed)-1]
}

// start runs a server on one plaintext and one TLS socket.
func start(t testing.TB, cfg Config) (plain, secure string, stop func() error) {
	t.Helper()
	sockets := []Socket{{Listener: listen(t)}, {Listener: listen(t), TLS: selfSigned(t)}}
	return sockets[0].Addr().String(), sockets[1].Addr().String(), serve(t, cfg, sockets...)
}

func selfSigned(t testing.TB) *tls.Config {
	t.Helper()
	cert, err := SelfSigned(time.Now(), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return TLSConfig(cert)
}

// serve runs a server on the sockets.
func serve(t testing.TB, cfg Config, sockets ...Socket) (stop func() error) {
	if cfg.Handler == nil {
		cfg.Handler = &echo{}
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- New(cfg).Run(ctx, sockets...) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}

func listen(t testing.TB) net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// talk sends text on a new connection and reads one answer; open tells whether a second request is answered too.
func talk(t *testing.T, addr, text string) (status int, body string, h http.Header, open bool) {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(nc, text); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(nc)
	method, _, _ := strings.Cut(strings.TrimLeft(text, "\r\n"), " ")
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.Close {
		res.Header.Set("Connection", "close") // net/http moves it there
	}
	if _, err := io.WriteString(nc, "GET /second HTTP/1.1\r\nHost: h\r\n\r\n"); err == nil {
		second, err := http.ReadResponse(r, nil)
		open = err == nil && second.StatusCode == 200
	}
	return res.StatusCode, string(b), res.Header, open
}

func TestHTTP1_forms(t *testing.T) {
	addr, _, _ := start(t, Config{MaxBody: 100, HeadTimeout: 200 * time.Millisecond, BodyTimeout: 200 * time.Millisecond})
	const h = "Host: h\r\n"
	badRequest := `{"message":"Bad Request"}`
	tooLong := `{"message":"Request URI too long"}`
	tests := []struct {
		name, in string
		status   int
		body     string
		open     bool
	}{
		{"plain", "GET /a HTTP/1.1\r\n" + h + "\r\n", 200, "GET /a host=h body=", true},
		{"raw target survives", "GET //a/..%2Fb;c?x=%zz&&y HTTP/1.1\r\n" + h + "\r\n", 200, "GET //a/..%2Fb;c?x=%zz&&y host=h body=", true},
		{"case, order and duplicates survive", "GET / HTTP/1.1\r\nX-b: 1\r\n" + h + "x-A:  2\t\r\nX-b: 3\r\n\r\n", 200, "GET / host=h body= X-b=1 x-A=2 X-b=3", true},
		{"cookies are not merged", "GET / HTTP/1.1\r\n" + h + "Cookie: a=1\r\nCookie: b=2\r\n\r\n", 200, "GET / host=h body= Cookie=a=1 Cookie=b=2", true},
		{"a body by length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\nabc", 200, "POST / host=h body=abc Content-Length=3", true},
		{"a body by chunks", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n", 200, "POST / host=h body=abc Transfer-Encoding=chunked", true},
		{"a body with GET", "GET / HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\nabc", 200, "GET / host=h body=abc Content-Length=3", true},
		{"one leading empty line", "\r\nGET / HTTP/1.1\r\n" + h + "\r\n", 200, "GET / host=h body=", true},
		{"absolute form", "GET http://other/x HTTP/1.1\r\n" + h + "\r\n", 200, "GET /x host=other body=", true},
		{"asterisk form", "OPTIONS * HTTP/1.1\r\n" + h + "\r\n", 200, "OPTIONS * host=h body=", true},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 200, "GET / host= body=", false},
		{"HTTP/1.0 kept alive", "GET / HTTP/1.0\r\n" + h + "Connection: keep-alive\r\n\r\n", 200, "GET / host=h body= Connection=keep-alive", true},
		{"connection: close", "GET / HTTP/1.1\r\n" + h + "Connection: close\r\n\r\n", 200, "GET / host=h body= Connection=close", false},
		{"HEAD", "HEAD /abc HTTP/1.1\r\n" + h + "\r\n", 200, "", true},
		{"204 has no body", "GET /nothing HTTP/1.1\r\n" + h + "\r\n", 204, "", true},
		{"a large answer", "GET /large HTTP/1.1\r\n" + h + "\r\n", 200, strings.Repeat("\x00", 1<<20), true},
		{"a defect in a phase", "GET /panic HTTP/1.1\r\n" + h + "\r\n", 500, `{"message": "Internal server error"}`, false},

		{"length and coding", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, badRequest, false},
		{"coding and length", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n", 400, badRequest, false},
		{"equal lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx", 400, badRequest, false},
		{"differing lengths", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nx", 400, badRequest, false},
		{"length list", "POST / HTTP/1.1\r\n" + h + "Content-Length: 1,1\r\n\r\nx", 400, badRequest, false},
		{"negative length", "POST / HTTP/1.1\r\n" + h + "Content-Length: -1\r\n\r\nx", 400, badRequest, false},
		{"hexadecimal length", "POST / HTTP/1.1\r\n" + h + "Content-Length: 0x1\r\n\r\nx", 400, badRequest, false},
		{"two codings", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n", 400, badRequest, false},
		{"unknown coding", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: identity\r\n\r\n", 501, `{"message":"Not Implemented"}`, false},
		{"coding with a hidden tab", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: \vchunked\r\n\r\n", 400, badRequest, false},
		{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, badRequest, false},
		{"bare line feed in the request line", "GET / HTTP/1.1\n" + h + "\r\n", 400, badRequest, false},
		{"bare line feed in a header", "GET / HTTP/1.1\r\n" + h + "A: b\n\r\n", 400, badRequest, false},
		{"only bare line feeds", "GET / HTTP/1.1\nHost: h\n\n", 400, badRequest, false},
		{"folded header", "GET / HTTP/1.1\r\n" + h + "A: b\r\n\tc\r\n\r\n", 400, badRequest, false},
		{"space before the colon", "GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400, badRequest, false},
		{"line without colon", "GET / HTTP/1.1\r\n" + h + "abc\r\n\r\n", 400, badRequest, false},
		{"NUL", "GET / HTTP/1.1\r\n" + h + "A: \x00\r\n\r\n", 400, badRequest, false},
		{"control character in the target", "GET /\x7f HTTP/1.1\r\n" + h + "\r\n", 400, badRequest, false},
		{"bare carriage return", "GET / HTTP/1.1\r\n" + h + "A: b\rc\r\n\r\n", 400, badRequest, false},
		{"pipe in the query", "GET /?a|b HTTP/1.1\r\n" + h + "\r\n", 400, badRequest, false},
		{"no version", "GET /\r\n" + h + "\r\n", 400, badRequest, false},
		{"broken version", "GET / HTTP/1.1x\r\n" + h + "\r\n", 400, badRequest, false},
		{"other version", "GET / HTTP/3.0\r\n" + h + "\r\n", 505, `{"message":"HTTP Version Not Supported"}`, false},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, badRequest, false},
		{"two hosts", "GET / HTTP/1.1\r\n" + h + h + "\r\n", 400, badRequest, false},
		{"host with a space", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, badRequest, false},
		{"two leading empty lines", "\r\n\r\nGET / HTTP/1.1\r\n" + h + "\r\n", 400, badRequest, false},
		{"not HTTP at all", "\x16\x03\x01\x00\xa5\x01", 400, badRequest, false},
		{"authority form", "CONNECT h:1 HTTP/1.1\r\n" + h + "\r\n", 400, badRequest, false},
		{"bad chunk size", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, badRequest, false},
		{"chunk size with a sign", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", 400, badRequest, false},
		{"chunk without its end", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", 400, badRequest, false},
		{"chunk with a bare line feed", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", 400, badRequest, false},
		{"unknown expectation", "POST / HTTP/1.1\r\n" + h + "Expect: magic\r\nContent-Length: 1\r\n\r\nx", 417, `{"message":"Expectation Failed"}`, false},
		{"oversized headers", "GET / HTTP/1.1\r\n" + h + "A: " + strings.Repeat("a", 10300) + "\r\n\r\n", 431, `{"message":"Request Header Fields Too Large"}`, false},
		{"many headers", "GET / HTTP/1.1\r\n" + h + strings.Repeat("A: b\r\n", 1800) + "\r\n", 431, `{"message":"Request Header Fields Too Large"}`, false},
		{"oversized URL", "GET /" + strings.Repeat("a", 10300) + " HTTP/1.1\r\n" + h + "\r\n", 414, tooLong, false},
		{"endless URL", "GET /" + strings.Repeat("a", 30000), 414, tooLong, false},
		{"body over the limit", "POST / HTTP/1.1\r\n" + h + "Content-Length: 101\r\n\r\n" + strings.Repeat("x", 101), 413, `{"message":"HTTP content length exceeded 10485760 bytes"}`, false},
		{"chunks over the limit", "POST / HTTP/1.1\r\n" + h + "Transfer-Encoding: chunked\r\n\r\n40\r\n" + strings.Repeat("x", 64) + "\r\n40\r\n" + strings.Repeat("x", 64) + "\r\n0\r\n\r\n", 413, `{"message":"HTTP content length exceeded 10485760 bytes"}`, false},
		{"slow headers", "GET / HTTP/1.1\r\nHost:", 408, `{"message":"Request Timeout"}`, false},
		{"slow body", "POST / HTTP/1.1\r\n" + h + "Content-Length: 3\r\n\r\na", 408, `{"message":"Request Timeout"}`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status, body, header, open := talk(t, addr, tt.in)
			if status != tt.status || body != tt.body || open != tt.open {
				t.Errorf("%d %.200q open %v, want %d %.200q open %v", status, body, open, tt.status, tt.body, tt.open)
			}
			if header.Get("x-amzn-RequestId") == "" || header.Get("x-amz-apigw-id") == "" || header.Get("Date") == "" {
				t.Errorf("always-present headers are missing: %v", header)
			}
			if tt.status >= 400 && header.Get("x-amzn-ErrorType") == "" {
				t.Error("no x-amzn-ErrorType")
			}
			if wantsClose := !tt.open; wantsClose != (header.Get("Connection") == "close") {
				t.Errorf("Connection: %s", header.Get("Connection"))
			}
		})
	}
}

func TestHTTP1_refusalsAreBooked(t *testing.T) {
	e := &echo{}
	addr, _, stop := start(t, Config{Handler: e})
	talk(t, addr, "GET / HTTP/1.1\r\n\r\n")
	if err := stop(); err != nil {
		t.Error(err)
	}
	if got := e.last(); got != "400 The request is not well formed: there is no Host header." {
		t.Error(got)
	}
}

func TestHTTP1_silentConnectionsAreNotAnswered(t *testing.T) {
	addr, _, _ := start(t, Config{IdleTimeout: 50 * time.Millisecond})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	if b, err := io.ReadAll(nc); len(b) != 0 || err != nil {
		t.Errorf("%q %v", b, err)
	}
}

func TestHTTP1_responseHeaders(t *testing.T) {
	addr, _, _ := start(t, Config{Number: func() uint16 { return 77 }})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	const id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef"
	_, _ = io.WriteString(nc, "GET /inject HTTP/1.1\r\nHost: h\r\nX-AMZN-requestid: "+id+"\r\nConnection: close\r\n\r\n")
	all, _ := io.ReadAll(nc)
	head, _, _ := strings.Cut(string(all), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	var names []string
	for _, l := range lines[1:] {
		n, _, _ := strings.Cut(l, ":")
		names = append(names, n)
	}
	if got := strings.Join(names, " "); got != "Date Content-Type Content-Length Connection x-amzn-RequestId x-amz-apigw-id X x-Odd-case x-Odd-case" {
		t.Error(got)
	}
	if !strings.Contains(head, "\r\nx-amzn-RequestId: "+id) || !strings.Contains(head, "\r\nX: a  Y: b\r\n") {
		t.Error(head)
	}
	_, ext, _ := strings.Cut(head, "x-amz-apigw-id: ")
	ext, _, _ = strings.Cut(ext, "\r\n")
	if n, ok := exchange.EdgeOf(ext); n != 77 || !ok {
		t.Error(ext)
	}
}

func TestHTTP1_continues(t *testing.T) {
	addr, _, _ := start(t, Config{MaxBody: 100})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	r := bufio.NewReader(nc)
	if line, _ := r.ReadString('\n'); line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatal(line)
	}
	_, _ = r.ReadString('\n')
	_, _ = io.WriteString(nc, "ab")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_, _ = io.WriteString(nc, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 101\r\n\r\n")
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != 413 {
		t.Fatalf("a refused body is not asked for: %v %v", res, err)
	}
}

func TestHTTP1_pipelines(t *testing.T) {
	addr, _, _ := start(t, Config{})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	var in strings.Builder
	for i := range 500 {
		fmt.Fprintf(&in, "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n%0100d", i, i)
	}
	go func() { _, _ = io.WriteString(nc, in.String()) }()
	r := bufio.NewReader(nc)
	for i := range 500 {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		if want := fmt.Sprintf("POST /%d host=h body=%0100d Content-Length=100", i, i); string(b) != want {
			t.Fatalf("%s, want %s", b, want)
		}
	}
}

func client(http2 bool) *http.Client {
	var p http.Protocols
	p.SetUnencryptedHTTP2(http2)
	p.SetHTTP2(http2)
	p.SetHTTP1(!http2)
	tr := &http.Transport{Protocols: &p, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func TestProtocols(t *testing.T) {
	addr, secure, _ := start(t, Config{MaxBody: 100})
	testProtocols(t, addr, secure)
}

// TestProtocols_onePort: a port takes what begins with a handshake and what does not.
func TestProtocols_onePort(t *testing.T) {
	both := Socket{Listener: listen(t), TLS: selfSigned(t), Both: true}
	serve(t, Config{MaxBody: 100}, both)
	testProtocols(t, both.Addr().String(), both.Addr().String())
}

func testProtocols(t *testing.T, addr, secure string) {
	for _, tt := range []struct {
		name, url string
		http2     bool
		body      string
	}{
		{"HTTP/1.1", "http://" + addr, false, "POST //a%2Fb?c host=" + addr + " body=xyz Content-Length=3 X-Odd=1"},
		{"HTTP/1.1 over TLS", "https://" + secure, false, "POST //a%2Fb?c host=" + secure + " body=xyz Content-Length=3 X-Odd=1"},
		{"HTTP/2 with prior knowledge", "http://" + addr, true, "POST //a%2Fb?c host=" + addr + " body=xyz content-length=3 x-odd=1"},
		{"HTTP/2 over TLS", "https://" + secure, true, "POST //a%2Fb?c host=" + secure + " body=xyz content-length=3 x-odd=1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := client(tt.http2)
			defer c.CloseIdleConnections()
			for range 2 {
				req, _ := http.NewRequest("POST", tt.url, strings.NewReader("xyz"))
				req.URL.Opaque = "//" + req.URL.Host + "//a%2Fb?c"
				req.Header["X-Odd"] = []string{"1"}
				res, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := io.ReadAll(res.Body)
				res.Body.Close()
				if string(b) != tt.body {
					t.Errorf("%s, want %s", b, tt.body)
				}
				if v := map[bool]int{true: 2, false: 1}[tt.http2]; res.ProtoMajor != v || len(res.Header["X-Odd-Case"]) != 2 || res.Header.Get("X-Amz-Apigw-Id") == "" {
					t.Errorf("%s %v", res.Proto, res.Header)
				}
			}
			res, err := c.Post(tt.url, "text/plain", strings.NewReader(strings.Repeat("x", 101)))
			if err != nil || res.StatusCode != 413 {
				t.Fatalf("%v %v", res, err)
			}
			res.Body.Close()
		})
	}
}

func TestHTTP2_limits(t *testing.T) {
	addr, _, _ := start(t, Config{})
	c := client(true)
	defer c.CloseIdleConnections()
	for _, tt := range []struct {
		path, header string
		status       int
	}{{"/", strings.Repeat("a", 10300), 431}, {"/" + strings.Repeat("a", 10300), "a", 414}, {"/?a|b", "a", 400}, {"/nothing", "", 204}, {"/panic", "", 500}} {
		req, _ := http.NewRequest("GET", "http://"+addr, nil)
		req.URL.Opaque = "//" + req.URL.Host + tt.path
		req.Header.Set("A", tt.header)
		res, err := c.Do(req)
		if err != nil || res.StatusCode != tt.status {
			t.Fatalf("%.20s: %v %v, want %d", tt.path, res, err, tt.status)
		}
		res.Body.Close()
	}
}

// speakHTTP2 begins HTTP/2 on a connection and sends count requests for path. Its streams may get 64 KiB each, and the connection
// as much as window says.
func speakHTTP2(t *testing.T, nc net.Conn, path string, count int, window uint32) *http2.Framer {
	t.Helper()
	_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(nc, http2.ClientPreface)
	f := http2.NewFramer(nc, nc)
	_ = f.WriteSettings()
	_ = f.WriteWindowUpdate(0, window)
	var block bytes.Buffer
	for h, id := hpack.NewEncoder(&block), uint32(1); count > 0; count, id = count-1, id+2 {
		block.Reset()
		for _, field := range []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "http"}, {Name: ":authority", Value: "h"}, {Name: ":path", Value: path}} {
			_ = h.WriteField(field)
		}
		if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestHTTP2_slowBody: a body that does not arrive is answered as over HTTP/1.1, and the connection goes on.
func TestHTTP2_slowBody(t *testing.T) {
	e := &echo{}
	addr, secure, _ := start(t, Config{Handler: e, BodyTimeout: 200 * time.Millisecond})
	for _, url := range []string{"http://" + addr, "https://" + secure} {
		c := client(true)
		defer c.CloseIdleConnections()
		body, more := io.Pipe()
		go func() { _, _ = more.Write([]byte("a")) }()
		res, err := c.Post(url, "text/plain", body)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		if res.StatusCode != 408 || string(b) != `{"message":"Request Timeout"}` || err != nil {
			t.Errorf("%d %q %v", res.StatusCode, b, err)
		}
		_ = res.Body.Close()
		_ = more.Close()
		if got := e.last(); got != "408 The request is not well formed: the request did not arrive in time." {
			t.Error(got)
		}
	}
}

// TestHTTP2_anAnswerThatNobodyTakes: a client that gives its stream no more window loses the stream.
func TestHTTP2_anAnswerThatNobodyTakes(t *testing.T) {
	addr, _, _ := start(t, Config{WriteTimeout: 200 * time.Millisecond})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	f := speakHTTP2(t, nc, "/large", 1, 1<<20)
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			t.Fatalf("the stream is not reset: %v", err)
		}
		if reset, ok := frame.(*http2.RSTStreamFrame); ok && reset.StreamID == 1 {
			return
		}
	}
}

// TestHTTP2_aClientThatReadsNothing: when the connection itself takes nothing more, no stream can be reset: it is closed.
func TestHTTP2_aClientThatReadsNothing(t *testing.T) {
	l := newHandoff()
	serve(t, Config{WriteTimeout: 200 * time.Millisecond}, Socket{Listener: l})
	nc, theirs := net.Pipe() // holds nothing
	defer nc.Close()
	l.give(theirs)
	f := speakHTTP2(t, nc, "/large", 1, 1<<20)
	var err error
	for err == nil {
		err = f.WriteWindowUpdate(0, 1)
	}
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the connection stays: %v", err)
	}
}

func TestFallback(t *testing.T) {
	seen := make(chan *http.Request, 1)
	fallback := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(b)))
		seen <- r
		switch r.URL.Path {
		case "/stream":
			for i := range 3 {
				fmt.Fprintf(w, "part %d\n", i)
				w.(http.Flusher).Flush()
			}
		case "/large":
			_, _ = w.Write(make([]byte, 100000))
		case "/panic":
			panic("boom")
		case "/abort":
			panic(http.ErrAbortHandler)
		default:
			w.Header().Set("X-Kept", "1")
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, "from the fallback")
		}
	})
	addr, secure, _ := start(t, Config{Fallback: fallback, MaxBody: 10})
	const target = "/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fabc?a=b%20c"
	for _, http2 := range []bool{false, true} {
		for _, base := range []string{"http://" + addr, "https://" + secure} {
			c := client(http2)
			defer c.CloseIdleConnections()
			send := func(target string) (*http.Response, error) {
				req, _ := http.NewRequest("PUT", base, strings.NewReader("a longer body than an API may get"))
				req.URL.Opaque, req.Host = target, "fallback.example:1"
				req.Header.Add("X-Two", "1")
				req.Header.Add("X-Two", "2")
				return c.Do(req)
			}
			res, err := send(target)
			if err != nil {
				t.Fatal(err)
			}
			r := <-seen
			b, _ := io.ReadAll(r.Body)
			answer, _ := io.ReadAll(res.Body)
			if r.RequestURI != target || r.URL.EscapedPath() != strings.TrimSuffix(target, "?a=b%20c") || r.URL.Query().Get("a") != "b c" || r.Host != "fallback.example:1" ||
				string(b) != "a longer body than an API may get" || len(r.Header["X-Two"]) != 2 || r.Method != "PUT" || r.ContentLength != int64(len(b)) || r.RemoteAddr == "" {
				t.Errorf("%+v", r)
			}
			if res.StatusCode != 201 || string(answer) != "from the fallback" || res.Header.Get("X-Kept") != "1" || res.Header.Get("Content-Type") == "" {
				t.Errorf("%v %s", res, answer)
			}
			for path, length := range map[string]int{"/stream": 21, "/large": 100000} {
				res, err := send(path)
				if err != nil {
					t.Fatal(err)
				}
				<-seen
				if all, err := io.ReadAll(res.Body); len(all) != length || err != nil {
					t.Errorf("%s: %d bytes, %v", path, len(all), err)
				}
			}
		}
	}
	for path, status := range map[string]int{"/panic": 500, "/abort": 0, "/%": 400} {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(nc, "GET "+path+" HTTP/1.1\r\nHost: fallback\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if (err != nil) != (status == 0) || err == nil && res.StatusCode != status {
			t.Errorf("%s: %v %v", path, res, err)
		}
		nc.Close()
		select {
		case <-seen:
		default:
		}
	}
	status, body, _, open := talk(t, addr, "GET /stream HTTP/1.0\r\nHost: fallback\r\nConnection: keep-alive\r\n\r\n")
	if <-seen; status != 200 || body != "part 0\npart 1\npart 2\n" || open {
		t.Errorf("HTTP/1.0: %d %q %v", status, body, open)
	}
	status, body, _, open = talk(t, addr, "HEAD /x HTTP/1.1\r\nHost: fallback\r\n\r\n")
	if <-seen; status != 201 || body != "" || !open {
		t.Errorf("HEAD: %d %q %v", status, body, open)
	}
}

// TestFallback_gRPC: a gRPC server answers on the shared port, plaintext and TLS.
func TestFallback_gRPC(t *testing.T) {
	g := grpc.NewServer()
	healthv1.RegisterHealthServer(g, health.NewServer())
	addr, secure, _ := start(t, Config{Fallback: g})
	for target, creds := range map[string]credentials.TransportCredentials{
		addr: insecure.NewCredentials(), secure: credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}),
	} {
		cc, err := grpc.NewClient("passthrough:///"+target, grpc.WithTransportCredentials(creds), grpc.WithAuthority("fallback.example"))
		if err != nil {
			t.Fatal(err)
		}
		res, err := healthv1.NewHealthClient(cc).Check(t.Context(), &healthv1.HealthCheckRequest{})
		if err != nil || res.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("%v %v", res, err)
		}
		cc.Close()
	}
}

func TestDrain_finishesWhatIsInFlight(t *testing.T) {
	e := &echo{hold: make(chan struct{}), held: make(chan struct{}, 2)}
	addr, _, stop := start(t, Config{Handler: e})
	idle, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	busy, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	_, _ = io.WriteString(busy, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
	<-e.held
	h2 := client(true)
	defer h2.CloseIdleConnections()
	answered := make(chan error, 1)
	go func() {
		res, err := h2.Get("http://" + addr + "/hold")
		if err == nil {
			res.Body.Close()
		}
		answered <- err
	}()
	<-e.held
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	if b, err := io.ReadAll(idle); len(b) != 0 || err != nil {
		t.Errorf("the idle connection got %q %v", b, err)
	}
	select {
	case <-stopped:
		t.Fatal("stopped with requests in flight")
	default:
	}
	close(e.hold)
	res, err := http.ReadResponse(bufio.NewReader(busy), nil)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Connection") != "close" && !res.Close {
		t.Errorf("%v %v", res, err)
	}
	if err := <-answered; err != nil {
		t.Errorf("HTTP/2: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestDrain_isBounded(t *testing.T) {
	e := &echo{hold: make(chan struct{}), held: make(chan struct{}, 1)}
	addr, _, stop := start(t, Config{Handler: e, DrainTimeout: 50 * time.Millisecond})
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "GET /hold HTTP/1.1\r\nHost: h\r\n\r\n")
	<-e.held
	go func() {
		_, _ = io.Copy(io.Discard, nc) // returns when the server closes the connection
		close(e.hold)
	}()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// giver hands every connection over to take.
type giver struct {
	echo
	take exchange.Handover
}

func (g *giver) Serve(_ context.Context, x *exchange.Exchange) { x.Handover = g.take }

// TestHandover_isNotClosedByTheDrain: from the moment when somebody else has the connection, only they close it.
func TestHandover_isNotClosedByTheDrain(t *testing.T) {
	g := &giver{}
	s := New(Config{Handler: g})
	g.take = func(c net.Conn, _ []byte) {
		s.closeAll()
		_, _ = io.WriteString(c, "still open")
		_ = c.Close()
	}
	ctx, cancel := context.WithCancel(t.Context())
	done, l := make(chan error), listen(t)
	go func() { done <- s.Run(ctx, Socket{Listener: l}) }()
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_, _ = io.WriteString(nc, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if b, _ := io.ReadAll(nc); string(b) != "still open" {
		t.Errorf("the connection was closed: %q", b)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRun_failsWithItsSocket(t *testing.T) {
	l := listen(t)
	_ = l.Close()
	if err := New(Config{Handler: &echo{}}).Run(context.Background(), Socket{Listener: l}); err == nil {
		t.Error("a closed socket was served")
	}
}

func TestLoadCertificate_refusesMissingFiles(t *testing.T) {
	if _, err := LoadCertificate("none", "none"); err == nil {
		t.Error("no error")
	}
}
