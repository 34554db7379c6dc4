package roles

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/services/entry"
	"github.com/limen-gateway/limen/services/functions"
)

// addresses is a resolver that finds the same for every name.
type addresses []netip.Addr

func (a addresses) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return append(addresses(nil), a...), nil
}

// sources is a function that remembers where its callers came from.
func sources(t *testing.T, seen *sync.Map) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			RequestContext struct{ Identity struct{ SourceIP string } }
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		seen.Store(e.RequestContext.Identity.SourceIP, true)
		_, _ = io.WriteString(w, `{"statusCode":200,"body":"called"}`)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// caller sends one request after the other, each on the connection of the one before while that is kept.
type caller struct {
	address, request string
	answered         atomic.Int64
	lost             atomic.Int64 // requests without a complete answer of status 200
	again            atomic.Int64 // sent again: a connection that was used before ended before the first byte
	conn             net.Conn
}

func (c *caller) run(ctx context.Context) {
	for ctx.Err() == nil {
		used := c.conn != nil
		err := c.ask()
		if err != nil && used {
			c.again.Add(1)
			err = c.ask()
		}
		if err != nil {
			c.lost.Add(1)
		} else {
			c.answered.Add(1)
		}
	}
	c.hangUp()
}

func (c *caller) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *caller) ask() (err error) {
	defer func() {
		if err != nil {
			c.hangUp()
		}
	}()
	if c.conn == nil {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
		if c.conn, err = d.Dial("tcp", c.address); err != nil {
			c.conn = nil
			return err
		}
	}
	_ = c.conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c.conn, c.request); err != nil {
		return err
	}
	res, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
	if err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return errors.New(res.Status)
	}
	if res.Close {
		c.hangUp()
	}
	return nil
}

// TestAnEdgeEndsUnderLoad: two edges behind an entry, steady load on connections that are kept, and one edge that is told
// to end. No request is lost, and the edges know the clients by the entry's word.
func TestAnEdgeEndsUnderLoad(t *testing.T) {
	control, h := startControl(t)
	var seen sync.Map
	host := h.functions.Load()
	if err := host.Declare(functions.Function{Name: "echo", URL: sources(t, &seen)}); err != nil {
		t.Fatal(err)
	}
	data, side := portOf(t, proxytest.FreeAddress(t)), portOf(t, proxytest.FreeAddress(t))
	edge := func(ip string, grace time.Duration) func() {
		h, stop := start(t, Config{DataDir: t.TempDir(), AdminAddress: control.Admin.GRPCListen, Telemetry: telemetry.Config{Listen: net.JoinHostPort(ip, side)},
			Edge: EdgeConfig{Listen: net.JoinHostPort(ip, data), Functions: "http://" + control.Functions.Listen, Authz: control.Authz.GRPCListen, AccessLog: "off",
				DrainGrace: grace, ProxyProtocolFrom: proxyprotocol.Networks{netip.MustParsePrefix("127.0.0.0/8")}}}, only("edge"))
		h.telemetry.Health.Started()
		end := sync.OnceFunc(func() {
			h.telemetry.Health.Drain() // the last service of a process does, and so before all others end
			stop()
		})
		t.Cleanup(end)
		return end
	}
	stopOne := edge("127.0.0.1", 5*time.Second)
	edge("127.0.0.2", 1)
	api := guardedAPI(t, h)
	door := startEntry(t, data, side, addresses{netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2")})

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var callers []*caller
	var wg sync.WaitGroup
	for range 8 {
		c := &caller{address: door, request: "GET /_aws/execute-api/" + api + "/prod/ HTTP/1.1\r\nHost: h\r\nAuthorization: t\r\n\r\n"}
		callers = append(callers, c)
		wg.Go(func() { c.run(ctx) })
	}
	total := func(what func(*caller) *atomic.Int64) (n int64) {
		for _, c := range callers {
			n += what(c).Load()
		}
		return n
	}
	answered := func() int64 { return total(func(c *caller) *atomic.Int64 { return &c.answered }) }
	more := func() {
		t.Helper()
		want := answered() + 200
		for deadline := time.Now().Add(time.Minute); answered() < want; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("the load stands still")
			}
		}
	}
	more()
	stopOne()
	more()
	cancel()
	wg.Wait()
	lost, again := total(func(c *caller) *atomic.Int64 { return &c.lost }), total(func(c *caller) *atomic.Int64 { return &c.again })
	t.Logf("%d requests answered, %d lost, %d sent again", answered(), lost, again)
	if lost > 0 {
		t.Errorf("%d requests were lost", lost)
	}
	if _, ok := seen.Load("127.0.0.9"); !ok {
		t.Error("no client is known")
	}
	seen.Range(func(source, _ any) bool {
		if source != "127.0.0.9" {
			t.Errorf("a client is known as %s", source)
		}
		return true
	})
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// startEntry runs an entry before the port of all addresses and returns where it listens.
func startEntry(t *testing.T, data, side string, found addresses) string {
	t.Helper()
	address := proxytest.FreeAddress(t)
	port, err1 := strconv.Atoi(data)
	health, err2 := strconv.Atoi(side)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	s, err := entry.New(entry.Config{Routes: []entry.Route{{Listen: address, Host: "edge", Port: uint16(port), Proxy: true}}, HealthPort: uint16(health)}, entry.Deps{Resolver: found})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-s.Ready()
	return address
}

// TestAnAdminEndsBehindAnEntry: the role entry before an admin that is told to end. Its users are answered, and asked to
// leave, until its listener closes.
func TestAnAdminEndsBehindAnEntry(t *testing.T) {
	c := Config{DataDir: t.TempDir(), Admin: AdminConfig{Listen: proxytest.FreeAddress(t), DrainGrace: 2 * time.Second}}
	c.RootKeyFile = c.DataDir + "/root-keys"
	if _, _, err := RootKeys(Config{DataDir: c.DataDir}, true); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, c, only("etcd", "admin"))
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { stop(); close(ended) })
	t.Cleanup(end)

	door := proxytest.FreeAddress(t)
	var route entry.Route
	if err := route.UnmarshalText([]byte(door + "=" + c.Admin.Listen)); err != nil {
		t.Fatal(err)
	}
	before, stopEntry := start(t, Config{DataDir: t.TempDir(), Entry: EntryConfig{entry.Config{Routes: []entry.Route{route}}}}, only("entry"))
	t.Cleanup(stopEntry)
	before.telemetry.Health.Started()
	if err := before.telemetry.Health.Ready(t.Context()); err != nil {
		t.Errorf("the entry is not ready: %v", err)
	}

	leaves(t, door, "GET /restapis HTTP/1.1\r\nHost: h\r\n\r\n", http.StatusForbidden, end)
	<-ended
}

// leaves ends what answers at an address and checks that it goes on answering, asks its clients to leave, and only then is gone.
func leaves(t *testing.T, address, request string, status int, end func()) {
	t.Helper()
	ask := func() (closing bool, err error) {
		nc, err := net.Dial("tcp", address)
		if err != nil {
			return false, err
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(time.Minute))
		_, _ = io.WriteString(nc, request)
		res, err := http.ReadResponse(bufio.NewReader(nc), nil)
		if err != nil {
			return false, err
		}
		defer res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("answered %s, want %d", res.Status, status)
		}
		return res.Close, nil
	}
	if closing, err := ask(); closing || err != nil {
		t.Fatalf("before the end: %v %v", closing, err)
	}
	go end()
	asked := false
	for {
		closing, err := ask()
		if err != nil && !asked {
			t.Fatalf("it ended without a word: %v", err)
		}
		if err != nil {
			return
		}
		asked = asked || closing
	}
}

func TestAFunctionsHostEnds(t *testing.T) {
	c := Config{DataDir: t.TempDir(), Admin: AdminConfig{GRPCListen: proxytest.FreeAddress(t)}}
	c.RootKeyFile = c.DataDir + "/root-keys"
	if _, _, err := RootKeys(Config{DataDir: c.DataDir}, true); err != nil {
		t.Fatal(err)
	}
	_, stopControl := start(t, c, only("etcd", "admin"))
	t.Cleanup(stopControl)
	host := Config{DataDir: t.TempDir(), AdminAddress: c.Admin.GRPCListen, Functions: FunctionsConfig{Listen: proxytest.FreeAddress(t), DrainGrace: 2 * time.Second,
		Config: functions.Config{Declare: []functions.Function{{Name: "hello", Sample: "hello"}}}}}
	_, stop := start(t, host, only("functions"))
	ended := make(chan struct{})
	end := sync.OnceFunc(func() { stop(); close(ended) })
	t.Cleanup(end)
	leaves(t, host.Functions.Listen, "POST /2015-03-31/functions/hello/invocations HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}", http.StatusOK, end)
	<-ended
}
