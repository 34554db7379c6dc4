package listener

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// who answers with what it knows of the client.
type who struct{ echo }

func (w *who) Serve(_ context.Context, x *exchange.Exchange) {
	text := fmt.Sprintf("%s %d %s", x.SourceIP(), x.Request.LocalPort, x.Request.Scheme())
	for _, h := range x.Request.Headers {
		if strings.EqualFold(h.Name, "x-forwarded-for") {
			text += " " + h.Value
		}
	}
	x.Response.Status, x.Response.Body = 200, []byte(text)
}

var (
	loopback = proxyprotocol.Networks{netip.MustParsePrefix("127.0.0.0/8")}
	others   = proxyprotocol.Networks{netip.MustParsePrefix("10.0.0.0/8")}
	told     = proxyprotocol.Addresses{Source: netip.MustParseAddrPort("192.0.2.1:4000"), Destination: netip.MustParseAddrPort("198.51.100.7:443")}
)

// behind dials as a proxy does: the header stands before all else.
func behind(header string) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err == nil {
			_, err = io.WriteString(c, header)
		}
		return c, err
	}
}

func TestProxyProtocol(t *testing.T) {
	trusted := proxyprotocol.Trust(loopback, slog.New(slog.DiscardHandler))
	plain, secure, _ := start(t, Config{Handler: &who{}, ProxyProtocol: trusted})
	both := Socket{Listener: listen(t), TLS: selfSigned(t), Both: true}
	serve(t, Config{Handler: &who{}, ProxyProtocol: trusted}, both)
	shared := both.Addr().String()

	v1, v2, local := "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\n", string(told.Append(nil)), string(proxyprotocol.Addresses{}.Append(nil))
	h1, h2 := new(http.Protocols), new(http.Protocols)
	h1.SetHTTP1(true)
	h2.SetHTTP2(true)
	h2.SetUnencryptedHTTP2(true)
	tests := []struct {
		name, url, header string
		protocols         *http.Protocols
		want              string
	}{
		{"version 1", "http://" + plain, v1, h1, "192.0.2.1 443 http"},
		{"version 2", "http://" + plain, v2, h1, "192.0.2.1 443 http"},
		{"HTTP/2", "http://" + plain, v2, h2, "192.0.2.1 443 http"},
		{"TLS", "https://" + secure, v2, h1, "192.0.2.1 443 https"},
		{"HTTP/2 over TLS", "https://" + secure, v1, h2, "192.0.2.1 443 https"},
		{"one port, plaintext", "http://" + shared, v2, h1, "192.0.2.1 443 http"},
		{"one port, TLS", "https://" + shared, v2, h1, "192.0.2.1 443 https"},
		{"one port, HTTP/2 over TLS", "https://" + shared, v2, h2, "192.0.2.1 443 https"},
		{"a proxy that speaks for itself", "http://" + plain, local, h1, "127.0.0.1 " + port(plain) + " http"},
		{"no header", "http://" + plain, "", h1, "127.0.0.1 " + port(plain) + " http"},
		{"no header, TLS", "https://" + secure, "", h1, "127.0.0.1 " + port(secure) + " https"},
		{"no header, HTTP/2", "http://" + plain, "", h2, "127.0.0.1 " + port(plain) + " http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
				DialContext: behind(tt.header), Protocols: tt.protocols, DisableKeepAlives: tt.protocols == h1, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			defer c.CloseIdleConnections()
			res, err := c.Get(tt.url)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if body, err := io.ReadAll(res.Body); string(body) != tt.want || err != nil {
				t.Errorf("%q %v, want %q", body, err, tt.want)
			}
		})
	}
	t.Run("malformed headers end the connection", func(t *testing.T) {
		c, err := behind("PROXY TCP4 nonsense nonsense 1 1\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")(t.Context(), "tcp", plain)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		if b, _ := io.ReadAll(c); len(b) != 0 {
			t.Errorf("it was answered %q", b)
		}
		if trusted.Malformed() != 1 {
			t.Error("it was not counted")
		}
	})
}

func port(addr string) string {
	_, p, _ := net.SplitHostPort(addr)
	return p
}

func TestProxyProtocol_nobodyElseIsBelieved(t *testing.T) {
	for name, trusted := range map[string]*proxyprotocol.Trusted{"off": nil, "from other networks": proxyprotocol.Trust(others, slog.New(slog.DiscardHandler))} {
		t.Run(name, func(t *testing.T) {
			addr, _, _ := start(t, Config{Handler: &who{}, ProxyProtocol: trusted})
			status, _, _, _ := talk(t, addr, "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n")
			if status != 400 {
				t.Errorf("status %d", status)
			}
		})
	}
}

func TestProxyProtocol_silentConnectionsDoNotHoldUpTheEnd(t *testing.T) {
	addr, _, stop := start(t, Config{Handler: &who{}, ProxyProtocol: proxyprotocol.Trust(loopback, slog.New(slog.DiscardHandler)), HeadTimeout: time.Hour, DrainTimeout: time.Hour})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	talk(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n\r\n") // the first connection is accepted by now
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestForwarded(t *testing.T) {
	trusting := Forwarded{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8")}
	addr, _, _ := start(t, Config{Handler: &who{}, Forwarded: trusting})
	tests := []struct{ name, headers, want string }{
		{"nothing told", "", "127.0.0.1 " + port(addr) + " http"},
		{"one proxy", "X-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1 " + port(addr) + " http 192.0.2.1"},
		{"what the client sent of it stays", "X-Forwarded-For: 203.0.113.9, 192.0.2.1\r\n", "192.0.2.1 " + port(addr) + " http 203.0.113.9, 192.0.2.1"},
		{"trusted proxies are passed over", "X-Forwarded-For: 203.0.113.9, 192.0.2.1, 10.0.0.1,10.0.0.2\r\n", "192.0.2.1 " + port(addr) + " http 203.0.113.9, 192.0.2.1"},
		{"over several lines", "X-Forwarded-For: 203.0.113.9\r\nX-Forwarded-For: 192.0.2.1,10.0.0.1\r\nx-forwarded-for: 10.0.0.2\r\nA: b\r\n", "192.0.2.1 " + port(addr) + " http 203.0.113.9 192.0.2.1"},
		{"only trusted ones", "X-Forwarded-For: 10.0.0.3, 10.0.0.2\r\n", "10.0.0.3 " + port(addr) + " http 10.0.0.3"},
		{"no address ends the search", "X-Forwarded-For: 192.0.2.1, unknown, 10.0.0.2\r\n", "10.0.0.2 " + port(addr) + " http 192.0.2.1, unknown, 10.0.0.2"},
		{"no address at the end", "X-Forwarded-For: 192.0.2.1, unknown\r\n", "127.0.0.1 " + port(addr) + " http 192.0.2.1, unknown"},
		{"with a port", "X-Forwarded-For: 192.0.2.1:4000\r\n", "192.0.2.1 " + port(addr) + " http 192.0.2.1:4000"},
		{"IPv6", "X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1 " + port(addr) + " http 2001:db8::1"},
		{"IPv6 in brackets", "X-Forwarded-For: [2001:db8::1]\r\n", "2001:db8::1 " + port(addr) + " http [2001:db8::1]"},
		{"scheme and port", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n", "192.0.2.1 443 https 192.0.2.1"},
		{"a scheme that is none", "X-Forwarded-Proto: gopher\r\nX-Forwarded-Port: many\r\n", "127.0.0.1 " + port(addr) + " http"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, got, _, _ := talk(t, addr, "GET / HTTP/1.1\r\nHost: h\r\n"+tt.headers+"\r\n"); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		c := client(true)
		defer c.CloseIdleConnections()
		r, err := http.NewRequest("GET", "http://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = http.Header{"X-Forwarded-For": {"203.0.113.9, 192.0.2.1"}, "X-Forwarded-Proto": {"https"}}
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if body, _ := io.ReadAll(res.Body); string(body) != "192.0.2.1 "+port(addr)+" https 203.0.113.9, 192.0.2.1" {
			t.Errorf("%q", body)
		}
	})
	t.Run("a proxy behind a proxy that speaks PROXY", func(t *testing.T) {
		from := proxyprotocol.Addresses{Source: netip.MustParseAddrPort("10.0.0.9:1"), Destination: told.Destination}
		addr, _, _ := start(t, Config{Handler: &who{}, Forwarded: Forwarded(others), ProxyProtocol: proxyprotocol.Trust(loopback, slog.New(slog.DiscardHandler))})
		if _, got, _, _ := talk(t, addr, string(from.Append(nil))+"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"); got != "192.0.2.1 443 http 192.0.2.1" {
			t.Errorf("%q", got)
		}
	})
}

func TestForwarded_nobodyElseIsBelieved(t *testing.T) {
	for name, f := range map[string]Forwarded{"off": nil, "from other networks": Forwarded(others)} {
		t.Run(name, func(t *testing.T) {
			addr, _, _ := start(t, Config{Handler: &who{}, Forwarded: f})
			_, got, _, _ := talk(t, addr, "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\n\r\n")
			if got != "127.0.0.1 "+port(addr)+" http 10.0.0.1" {
				t.Errorf("%q", got)
			}
		})
	}
}

// TestDrain_grace: a server that is told to end goes on, and tells its clients so.
func TestDrain_grace(t *testing.T) {
	socket := Socket{Listener: listen(t)}
	addr := socket.Addr().String()
	e := &echo{hold: make(chan struct{}), held: make(chan struct{}, 1)}
	s := New(Config{Handler: e, DrainGrace: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error, 1)
	kept, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, socket) }()
	ask := func(c net.Conn) (closing bool) {
		t.Helper()
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		return res.Close
	}
	if ask(kept) {
		t.Error("a connection is closed though nothing ends")
	}
	h2 := client(true)
	defer h2.CloseIdleConnections()
	get := func(path string) error {
		res, err := h2.Get("http://" + addr + path)
		if err == nil {
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		return err
	}
	go func() { failed <- get("/hold") }()
	<-e.held
	cancel()
	for !s.leaving.Load() {
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	if !ask(kept) {
		t.Error("a kept connection is not told to close")
	}
	fresh, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer fresh.Close()
	if !ask(fresh) {
		t.Error("a new connection is not told to close")
	}
	for range 3 { // each leaves by GOAWAY, and the next one comes on a connection of its own
		if err := get("/"); err != nil {
			t.Error(err)
		}
	}
	close(e.hold)
	if err := <-failed; err != nil {
		t.Errorf("the request in flight over HTTP/2: %v", err)
	}
	_ = socket.Close() // a socket that fails ends the grace
	if err := <-done; err == nil {
		t.Error("the failure of the socket was not reported")
	}
}
