package integration

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestParseEndpoint(t *testing.T) {
	join := func(host, port string) string { return net.JoinHostPort(host, port) }
	tests := []struct{ uri, want string }{
		{"http://a.example", "a.example a.example:80 / "},
		{"https://a.example/x?y=1", "a.example a.example:443 /x y=1"},
		{"http://a.example:8080?y", "a.example:8080 a.example:8080 / y"},
		{"http://a_b/", "a_b a_b:80 / "},
		{"http://[::1]/x", "[::1] [::1]:80 /x "},
		{"http://[::1]:8080/x", "[::1]:8080 [::1]:8080 /x "},
		{"ftp://a/", "! it does not begin with http:// or https://"},
		{"", "! it does not begin with http:// or https://"},
		{"http:///x", "! it has no valid host"},
		{"http://a..b/", "! it has no valid host"},
		{"http://-a/", "! it has no valid host"},
		{"http://u@a/", "! it has no valid host"},
		{"http://a:/", "! it has no valid host"},
		{"http://[::1/", "! it has no valid host"},
		{"http://[x]/", "! it has no valid host"},
		{"http://[::1]x/", "! it has no valid host"},
		{"http://a:81/", "! its port is not 80, 443 or 1024 to 65535"},
		{"http://a:65536/", "! its port is not 80, 443 or 1024 to 65535"},
		{"http://a:100000/", "! its port is not 80, 443 or 1024 to 65535"},
		{"http://a:b/", "! its port is not 80, 443 or 1024 to 65535"},
		{"http://a/{id}", "! it holds a character that a URI cannot have"},
		{"http://a/ x", "! it holds a character that a URI cannot have"},
		{"http://a/\r\nX: y", "! it holds a character that a URI cannot have"},
		{"http://a/é", "! it holds a character that a URI cannot have"},
	}
	for _, tt := range tests {
		e, err := parseEndpoint(tt.uri, join)
		got := fmt.Sprintf("%s %s %s %s", e.host, e.hostport, e.path, e.query)
		if err != nil {
			got = "! " + err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.uri, got, tt.want)
		}
	}
}

func TestEscapes(t *testing.T) {
	if got := string(escapePath(nil, "a/b c%é?#+;")); got != "a/b%20c%25%C3%A9%3F%23+;" {
		t.Error(got)
	}
	if got := string(escapeQuery(nil, "a b&c=d+é/~")); got != "a%20b%26c%3Dd%2B%C3%A9%2F~" {
		t.Error(got)
	}
}

func TestMockStatus(t *testing.T) {
	tests := []struct{ text, status, reason string }{
		{`{"statusCode": 200}`, "200", ""},
		{`{statusCode: 200}`, "200", ""},
		{`{ "a" : "statusCode", 'b': [1,{"statusCode":1}], "statusCode" : 404 , "c": 1}`, "404", ""},
		{`{"statusCode": "201"}`, "201", ""},
		{`{"x\"statusCode": 1, "statusCode":202}`, "202", ""},
		{`{"statusCode": 2000}`, "", "statusCode is 2000"},
		{`{"statusCode": "abc"}`, "", "statusCode is abc"},
		{`{"statusCode"`, "", "its result has no statusCode"},
		{`{"statusCode": 200`, "200", ""},
		{`{"open`, "", "its result is not valid JSON"},
		{`[200]`, "", "it yields no object"},
		{`{}`, "", "its result has no statusCode"},
	}
	for _, tt := range tests {
		if status, reason := mockStatus(tt.text); status != tt.status || reason != tt.reason {
			t.Errorf("%s: %q %q, want %q %q", tt.text, status, reason, tt.status, tt.reason)
		}
	}
}

func FuzzMockStatus(f *testing.F) {
	f.Add(`{statusCode: 200}`)
	f.Fuzz(func(t *testing.T, s string) {
		if s = strings.TrimSpace(s); s == "" {
			return
		}
		if status, reason := mockStatus(s); (status == "") == (reason == "") {
			t.Fatalf("%q: %q %q", s, status, reason)
		}
	})
}

func TestRemappedName(t *testing.T) {
	x := exchange.New()
	defer x.Release()
	for _, name := range []string{"Authorization", "Connection", "Content-Length", "Content-MD5", "date", "Expect", "Host", "Max-Forwards", "Proxy-Authenticate", "Server", "Trailer", "Upgrade", "User-Agent", "WWW-Authenticate"} {
		if got, ok := RemappedName(x, name, false); !ok || got != "x-amzn-Remapped-"+name {
			t.Errorf("%s became %q %v", name, got, ok)
		}
	}
	for _, tt := range []struct {
		name  string
		proxy bool
		want  string
		ok    bool
	}{
		{"Via", true, "", false}, {"Via", false, "Via", true}, {"Transfer-Encoding", false, "", false}, {"Keep-Alive", false, "", false},
		{"x-amzn-RequestId", true, "x-amzn-Remapped-x-amzn-RequestId", true}, {"X-Amzn-Trace-Id", true, "X-Amzn-Trace-Id", true}, {"Content-Type", true, "Content-Type", true}, {"TE", false, "TE", true},
	} {
		if got, ok := RemappedName(x, tt.name, tt.proxy); got != tt.want || ok != tt.ok {
			t.Errorf("%s %v became %q %v", tt.name, tt.proxy, got, ok)
		}
	}
}

// call sends one request to a backend and returns status and body.
func call(t *testing.T, c *Client, uri, method, body string) (int, string, error) {
	t.Helper()
	x := exchange.New()
	defer x.Release()
	x.Request.Method, x.Request.Received = method, time.Now()
	x.Scope = &exchange.Scope{API: "api"}
	x.Method = &exchange.Method{Integration: &exchange.Integration{Type: exchange.HTTPProxy, HTTPMethod: method, URI: mapping.ParseURI(uri), Timeout: 5 * time.Second}}
	x.Payload = []byte(body)
	err := (&Caller{Client: c}).HTTP(context.Background(), x)
	return x.Response.Status, string(x.Response.Body), err
}

func newClient(t *testing.T, roots *x509.CertPool) *Client {
	c := NewClient(roots)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { c.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return c
}

func TestClient_TLS(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto, " ", r.TLS != nil) }))
	s.Config.ErrorLog = nil
	s.StartTLS()
	defer s.Close()
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	trusting := newClient(t, roots)
	for range 2 {
		if status, body, err := call(t, trusting, s.URL, "GET", ""); status != 200 || body != "HTTP/1.1 true" || err != nil {
			t.Errorf("%d %q %v", status, body, err)
		}
	}
	if _, _, err := call(t, newClient(t, nil), s.URL, "GET", ""); err == nil || !strings.Contains(err.Error(), "INTEGRATION_FAILURE") || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("an unknown certificate: %v", err)
	}
}

func TestClient_largeBodies(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }))
	defer s.Close()
	body := strings.Repeat("0123456789", 400_000)
	if status, got, err := call(t, newClient(t, nil), s.URL, "POST", body); status != 200 || got != body || err != nil {
		t.Errorf("%d, %d bytes, %v", status, len(got), err)
	}
}

func TestClient_refusesLargeAnswers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, maxAnswer))
		_, _ = w.Write([]byte("x"))
	}))
	defer s.Close()
	if _, _, err := call(t, newClient(t, nil), s.URL, "GET", ""); err == nil || !strings.Contains(err.Error(), "API_CONFIGURATION_ERROR") {
		t.Error(err)
	}
}

func TestClient_unknownHostIsAnInvalidEndpoint(t *testing.T) {
	if _, _, err := call(t, newClient(t, nil), "http://nothing.invalid/", "GET", ""); err == nil || !strings.Contains(err.Error(), "API_CONFIGURATION_ERROR") {
		t.Skip("the resolver of this machine does not say that a name is unknown:", err)
	}
}

// scripted is a backend whose connections follow a script.
func scripted(t *testing.T, script func(n int, c net.Conn, r *bufio.Reader)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	return "http://" + l.Addr().String()
}

const answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestClient_leavesConnectionsThatTheBackendClosed(t *testing.T) {
	closed := make(chan struct{})
	url := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		if n == 0 {
			_ = c.Close()
			close(closed)
			return
		}
		_, _ = io.Copy(io.Discard, r)
	})
	c := newClient(t, nil)
	for range 2 {
		if status, _, err := call(t, c, url, "POST", "x"); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
		<-closed
	}
	c.prune(time.Now().Add(time.Hour)) // lets the backend's second connection end
}

func TestClient_leavesConnectionsThatSaySomethingUnasked(t *testing.T) {
	said := make(chan struct{}, 2)
	url := scripted(t, func(n int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, answer)
		if n == 0 {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
		}
		said <- struct{}{}
		_, _ = io.Copy(io.Discard, r)
	})
	c := newClient(t, nil)
	for range 2 {
		if _, body, err := call(t, c, url, "GET", ""); body != "ok" || err != nil {
			t.Errorf("%q %v", body, err)
		}
		<-said
	}
	c.prune(time.Now().Add(time.Hour))
}

func TestClient_takesAnAnswerThatComesBeforeTheBodyIsRead(t *testing.T) {
	url := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		if _, err := http.ReadRequest(r); err != nil {
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
		_, _ = io.Copy(io.Discard, r)
	})
	if status, _, err := call(t, newClient(t, nil), url, "POST", strings.Repeat("x", 1<<20)); status != 413 || err != nil {
		t.Errorf("%d %v", status, err)
	}
}

func TestClient_endsIdleConnections(t *testing.T) {
	url := scripted(t, func(_ int, c net.Conn, r *bufio.Reader) {
		for {
			if _, err := http.ReadRequest(r); err != nil {
				return
			}
			_, _ = io.WriteString(c, answer)
		}
	})
	c := newClient(t, nil)
	for range 3 {
		if status, _, err := call(t, c, url, "GET", ""); status != 200 || err != nil {
			t.Errorf("%d %v", status, err)
		}
	}
	if len(c.pools) != 1 {
		t.Errorf("%d pools", len(c.pools))
	}
	c.prune(time.Now().Add(time.Hour))
	if len(c.pools) != 0 {
		t.Error("an idle connection stayed")
	}
}
