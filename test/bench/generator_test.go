package main

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// serving is the upstream on a port of its own.
func serving(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() { _ = serveUpstream(l) }()
	return l.Addr().String()
}

func TestUpstreamAnswersWithAndWithoutBody(t *testing.T) {
	get := request{Address: serving(t)}.at("/orders/1")
	for _, r := range []request{get, get.posting(smallBody), get.posting(largeBody)} {
		if err := r.check(t.Context()); err != nil {
			t.Errorf("%s of %d bytes: %v", r.method(), r.Body, err)
		}
	}
	c := client{request: get}
	defer c.close()
	for _, text := range slices.Concat(get.wire(), get.posting(largeBody).wire(), get.wire()) {
		if err := c.exchange(text); err != nil {
			t.Fatal(err)
		}
	}
	if c.retried != 0 {
		t.Error("the upstream did not keep the connection")
	}
}

func TestOtherAnswersAreRefused(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") }))
	defer server.Close()
	r := request{Address: strings.TrimPrefix(server.URL, "http://")}.at("/")
	if err := r.check(t.Context()); err == nil || !strings.Contains(err.Error(), "hello") {
		t.Errorf("got %v", err)
	}
}

// asked collects what a server was asked.
type asked struct {
	mu  sync.Mutex
	all []string
}

func (a *asked) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, strings.Join([]string{r.Method, r.Host, r.URL.Path, r.Header.Get("X-Api-Key"), string(body)}, " "))
	_, _ = w.Write(answerBody())
}

func TestRequestsGoInTurn(t *testing.T) {
	var a asked
	server := httptest.NewTLSServer(&a)
	defer server.Close()
	r := request{Host: "api.localhost"}.at("/a", "/b", "/c").keyed([]string{"k1", "k2", "k3"}).posting(20).secure(strings.TrimPrefix(server.URL, "https://"))
	g := generator{order: order{Request: r, Conns: 2}, requests: r.wire(), begin: time.Now(), end: time.Now()}
	for i := range g.Conns {
		g.connection(i)
	}
	if g.failed != 0 || len(g.latencies) < 3 {
		t.Fatalf("%d failed, %d answered", g.failed, len(g.latencies))
	}
	slices.Sort(a.all)
	var want []string
	for i, path := range r.Paths {
		want = append(want, "POST api.localhost "+path+" "+r.Keys[i]+" "+string(bodyOf(20)))
	}
	if got := slices.Compact(a.all); !slices.Equal(got, want) {
		t.Errorf("asked %q, want %q", got, want)
	}
}

func TestClosedConnectionIsOpenedAnew(t *testing.T) {
	server := httptest.NewServer(&asked{})
	defer server.Close()
	r := request{Address: strings.TrimPrefix(server.URL, "http://")}.at("/")
	c := client{request: r}
	defer c.close()
	for range 3 {
		if err := c.exchange(r.wire()[0]); err != nil {
			t.Fatal(err)
		}
		server.CloseClientConnections()
	}
	if c.retried != 2 {
		t.Errorf("%d requests were sent anew, want 2", c.retried)
	}
	server.Close()
	if err := c.exchange(r.wire()[0]); err == nil {
		t.Error("nobody answered, and nothing failed")
	}
}

func TestServerMayEndConnection(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = w.Write(answerBody())
	}))
	defer server.Close()
	r := request{Address: strings.TrimPrefix(server.URL, "http://")}.at("/")
	c := client{request: r}
	defer c.close()
	for range 3 {
		if err := c.exchange(r.wire()[0]); err != nil {
			t.Fatal(err)
		}
	}
	if c.retried != 0 {
		t.Errorf("%d requests were sent anew to a server that had said that it closes", c.retried)
	}
}

func TestLoadsOfTools(t *testing.T) {
	r := request{Address: "127.0.0.1:1", Host: "api.localhost"}.at("/a")
	if script := r.script("body"); strings.Contains(script, "function request") || !strings.Contains(script, `wrk.headers["Host"] = "api.localhost"`) {
		t.Errorf("one request needs no function:\n%s", script)
	}
	many := r.at("/a", "/b").keyed([]string{"k1", "k2"}).posting(30)
	for _, part := range []string{`wrk.method = "POST"`, `{"/a","/b"}, {"k1","k2"}`, "for i = 0, 1 do", `io.open("body", "rb")`} {
		if script := many.script("body"); !strings.Contains(script, part) {
			t.Errorf("%s is missing:\n%s", part, script)
		}
	}
	got := many.secure("127.0.0.1:2").h2loadArgs("body")
	want := []string{"-H", ":authority: api.localhost", "-d", "body", "-H", "content-type: application/json", "-H", "x-api-key: k1",
		"https://127.0.0.1:2/a", "https://127.0.0.1:2/b"}
	if !slices.Equal(got, want) {
		t.Errorf("h2load is told %q", got)
	}
	if body := bodyOf(100); len(body) != 100 || !bytes.HasPrefix(body, []byte(`{"note":"`)) {
		t.Errorf("%d bytes %q", len(body), body)
	}
}
