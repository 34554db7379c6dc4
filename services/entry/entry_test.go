package entry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is for machines that are busy.
const patience = 30 * time.Second

// names is a resolver that knows what it is told.
type names struct {
	mu    sync.Mutex
	found []netip.Addr
}

func (n *names) tell(addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.found = nil
	for _, a := range addresses {
		n.found = append(n.found, netip.MustParseAddr(a))
	}
}

func (n *names) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.found) == 0 {
		return nil, errors.New("no such host")
	}
	return append([]netip.Addr(nil), n.found...), nil
}

// log is what the entry wrote.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.buf.String(), text)
}

// world is an entry and the ports that its replicas have.
type world struct {
	t            *testing.T
	entry        *Service
	names        *names
	log          *log
	address      string
	port, health int
	meters       *metric.ManualReader
	end          func() // tells the entry to end
	stop         func() // and waits for it
}

// free is a port that nobody listens on.
func free(t *testing.T) int {
	t.Helper()
	_, text, _ := net.SplitHostPort(proxytest.FreeAddress(t))
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func start(t *testing.T, drain time.Duration, proxy bool, prepare func(*world)) *world {
	t.Helper()
	w := &world{t: t, names: &names{}, log: &log{}, port: free(t), health: free(t), address: fmt.Sprintf("127.0.0.1:%d", free(t)), meters: metric.NewManualReader()}
	prepare(w)
	var err error
	w.entry, err = New(Config{Routes: []Route{{Listen: w.address, Host: "edge", Port: uint16(w.port), Proxy: proxy}}, HealthPort: uint16(w.health), DrainTimeout: drain},
		Deps{Resolver: w.names, Log: slog.New(slog.NewTextHandler(w.log, nil)), Meter: metric.NewMeterProvider(metric.WithReader(w.meters)).Meter("entry")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.entry.Run(ctx) }()
	w.end = cancel
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	<-w.entry.Ready()
	return w
}

// replica answers each connection with its address and then with what it hears.
type replica struct {
	ready  atomic.Bool
	silent atomic.Bool
	taken  atomic.Int64
}

func (w *world) replica(address string, listens bool) *replica {
	w.t.Helper()
	r := &replica{}
	r.ready.Store(true)
	done := make(chan struct{})
	side, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(w.health)))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		if r.silent.Load() {
			select {
			case <-q.Context().Done():
			case <-done:
			}
		}
		if q.URL.Path != "/readyz" || !r.ready.Load() {
			rw.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	go func() { _ = server.Serve(side) }()
	w.t.Cleanup(func() { close(done); _ = server.Close() })
	if !listens {
		return r
	}
	l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(w.port)))
	if err != nil {
		w.t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			r.taken.Add(1)
			conns.Go(func() {
				defer c.Close()
				a, rest, err := proxyprotocol.Read(c)
				if err != nil {
					return
				}
				if a.Source.IsValid() {
					_, _ = fmt.Fprintf(c, "%s %s ", a.Source, a.Destination)
				}
				_, _ = io.WriteString(c, address+"\n")
				_, _ = io.Copy(c, rest)
			})
		}
	})
	w.t.Cleanup(func() { _ = l.Close(); w.stop(); conns.Wait() })
	return r
}

// greeting is long enough that nobody takes it for a PROXY header.
const greeting = "hello, whoever you are\n"

// dial opens a connection and returns which replica took it, "" when none did.
func (w *world) dial() (c *net.TCPConn, who string) {
	w.t.Helper()
	nc, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(nc, greeting)
	return nc.(*net.TCPConn), line(nc)
}

func line(c net.Conn) string {
	var text []byte
	for b := make([]byte, 1); ; {
		if n, err := c.Read(b); n == 0 || err != nil || b[0] == '\n' {
			return string(text)
		}
		text = append(text, b[0])
	}
}

// await waits until ready of all replicas are seen as such.
func (w *world) await(ready, all int) {
	w.t.Helper()
	w.until(func() bool {
		r, a := w.entry.routes[0].upstream.Ready()
		return r == ready && a == all
	})
}

func (w *world) until(is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come; the entry wrote\n%s", w.log.buf.String())
		}
	}
}

func (w *world) answered(n int) map[string]int {
	w.t.Helper()
	out := map[string]int{}
	for range n {
		c, who := w.dial()
		_ = c.Close()
		out[who]++
	}
	return out
}

func TestConnectionsAreSpreadOverReadyReplicas(t *testing.T) {
	var one, two, three *replica
	w := start(t, time.Minute, false, func(w *world) {
		one, two, three = w.replica("127.0.0.1", true), w.replica("127.0.0.2", true), w.replica("127.0.0.3", true)
		three.ready.Store(false)
		w.names.tell("127.0.0.1", "127.0.0.2", "127.0.0.3")
	})
	w.await(2, 3)
	if got := w.answered(10); got["127.0.0.1"] != 5 || got["127.0.0.2"] != 5 {
		t.Errorf("two ready replicas of three: %v", got)
	}
	var kept *net.TCPConn
	for who := ""; who != "127.0.0.1"; {
		kept, who = w.dial()
	}
	one.ready.Store(false)
	three.silent.Store(true)
	w.await(1, 3)
	if got := w.answered(4); got["127.0.0.2"] != 4 {
		t.Errorf("one ready replica of three: %v", got)
	}
	if line(kept) != greeting[:len(greeting)-1] {
		t.Error("the open connection to a replica that is not ready did not go on")
	}
	two.ready.Store(false)
	w.await(0, 3)
	if got := w.answered(6); got["127.0.0.1"] != 2 || got["127.0.0.2"] != 2 || got["127.0.0.3"] != 2 {
		t.Errorf("no replica is ready, so all are tried in turn: %v", got)
	}
	one.ready.Store(true)
	w.await(1, 3)
	w.names.tell("127.0.0.2")
	w.await(0, 1)
	for text, want := range map[string]int{
		`msg="replica gets connections" target=edge replica=127.0.0.1`:        2,
		`msg="replica gets no new connections" target=edge replica=127.0.0.1`: 1,
		`msg="replica gets no new connections" target=edge replica=127.0.0.3`: 1,
		`msg="replica has left" target=edge replica=127.0.0.1`:                1,
	} {
		if got := w.log.count(text); got != want {
			t.Errorf("%q is logged %d times, want %d", text, got, want)
		}
	}
}

func TestAReplicaThatRefusesIsPassedOver(t *testing.T) {
	w := start(t, time.Minute, false, func(w *world) {
		w.replica("127.0.0.1", false)
		w.replica("127.0.0.2", true)
		w.names.tell("127.0.0.1", "127.0.0.2")
	})
	w.await(2, 2)
	if got := w.answered(6); got["127.0.0.2"] != 6 {
		t.Errorf("%v", got)
	}
	if got := w.metric("limen_entry_dial_failures", ""); got != 3 {
		t.Errorf("%d failures were counted", got)
	}
	if got := w.metric("limen_entry_connections", "passed"); got != 6 {
		t.Errorf("%d connections were counted", got)
	}
	if got := w.metric("limen_entry_replicas", "ready"); got != 2 {
		t.Errorf("%d replicas are counted as ready", got)
	}
	w.until(func() bool { return w.metric("limen_entry_open_connections", "") == 0 })
}

// metric reads a number, of the point that has the label.
func (w *world) metric(name, label string) int64 {
	w.t.Helper()
	var all metricdata.ResourceMetrics
	if err := w.meters.Collect(w.t.Context(), &all); err != nil {
		w.t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		var points []metricdata.DataPoint[int64]
		switch d := m.Data.(type) {
		case metricdata.Sum[int64]:
			points = d.DataPoints
		case metricdata.Gauge[int64]:
			points = d.DataPoints
		}
		for _, p := range points {
			has := func(a attribute.KeyValue) bool { return a.Value.AsString() == label }
			if m.Name == name && (label == "" || slices.ContainsFunc(p.Attributes.ToSlice(), has)) {
				return p.Value
			}
		}
	}
	w.t.Fatalf("there is no %s", name)
	return 0
}

func TestANameThatComesLater(t *testing.T) {
	w := start(t, time.Minute, false, func(w *world) { w.replica("127.0.0.1", true) })
	if _, who := w.dial(); who != "" {
		t.Errorf("%q answered", who)
	}
	if err := w.entry.Check(t.Context()); err != nil {
		t.Errorf("an entry without replicas is not ready: %v", err)
	}
	w.names.tell("127.0.0.1")
	w.await(1, 1)
	w.names.tell()
	w.until(func() bool { return w.log.count("can't be resolved") == 2 })
	if _, who := w.dial(); who != "127.0.0.1" {
		t.Errorf("the replicas of a name that is gone are forgotten: %q answered", who)
	}
	if got := w.metric("limen_entry_connections", "refused"); got != 1 {
		t.Errorf("%d refusals were counted", got)
	}
}

func TestTheClientIsIntroduced(t *testing.T) {
	w := start(t, time.Minute, true, func(w *world) {
		w.replica("127.0.0.1", true)
		w.names.tell("127.0.0.1")
	})
	c, who := w.dial()
	if want := fmt.Sprintf("%s %s 127.0.0.1", c.LocalAddr(), w.address); who != want {
		t.Errorf("%q, want %q", who, want)
	}
}

func TestBytesPassBothWaysToTheirEnd(t *testing.T) {
	w := start(t, time.Minute, false, func(w *world) {
		w.replica("127.0.0.1", true)
		w.names.tell("127.0.0.1")
	})
	c, _ := w.dial()
	line(c)
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, sent) {
		t.Errorf("%d bytes of %d, %v", len(got), len(sent), err)
	}
}

// TestStandingConnectionsHoldTwoDescriptors: the limit of an entry is that of its process.
func TestStandingConnectionsHoldTwoDescriptors(t *testing.T) {
	w := start(t, time.Minute, false, func(w *world) {
		w.replica("127.0.0.1", true)
		w.names.tell("127.0.0.1")
	})
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip("this system does not list descriptors")
		}
		return len(list)
	}
	before := open()
	for range 100 {
		c, _ := w.dial()
		line(c)
	}
	// Client and replica live in this process too: four in all.
	if got := open() - before; got > 4*100+20 {
		t.Errorf("100 connections hold %d descriptors", got)
	}
}

func TestDrain(t *testing.T) {
	w := start(t, patience, false, func(w *world) {
		w.replica("127.0.0.1", true)
		w.names.tell("127.0.0.1")
	})
	c, _ := w.dial()
	line(c)
	w.end()
	w.until(func() bool { return w.entry.Check(t.Context()) != nil })
	w.until(func() bool {
		nc, err := net.Dial("tcp", w.address)
		if err == nil {
			_ = nc.Close()
		}
		return err != nil
	})
	_, _ = io.WriteString(c, "still here\n")
	if got := line(c); got != "still here" {
		t.Errorf("the open connection answers %q", got)
	}
	_ = c.Close()
	w.stop()
}

func TestDrainIsBounded(t *testing.T) {
	w := start(t, 10*time.Millisecond, false, func(w *world) {
		w.replica("127.0.0.1", true)
		w.names.tell("127.0.0.1")
	})
	c, _ := w.dial()
	line(c)
	w.stop()
	if got := line(c); got != "" {
		t.Errorf("the connection answers %q", got)
	}
	if w.log.count("connections cut") != 1 {
		t.Error("nothing is logged")
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := New(Config{Routes: []Route{{Listen: "127.0.0.1:0", Host: "h", Port: 1}, {Listen: l.Addr().String(), Host: "h", Port: 1}}}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "entry.routes: listen tcp") {
		t.Error(err)
	}
}

func TestSettings(t *testing.T) {
	type root struct {
		Entry Config `yaml:"entry"`
	}
	load := func(environ ...string) (Config, error) {
		var c root
		_, err := settings.Load(&c, settings.Sources{Environ: environ})
		return c.Entry, err
	}
	c, err := load("LIMEN_ENTRY_ROUTES=0.0.0.0:8080=edge:8080+proxy, :4566=admin:4566,[::]:443=[2001:db8::1]:8443")
	if err != nil || c.HealthPort != 9090 || c.DrainTimeout != 30*time.Second {
		t.Errorf("%+v %v", c, err)
	}
	if got := fmt.Sprint(c.Routes); got != "[0.0.0.0:8080=edge:8080+proxy :4566=admin:4566 [::]:443=[2001:db8::1]:8443]" {
		t.Error(got)
	}
	for text, want := range map[string]string{
		"8080":                   `entry.routes is not valid: "8080" must be LISTEN=TARGET, such as 0.0.0.0:8080=edge:8080+proxy`,
		":80=edge":               `entry.routes is not valid: the target "edge" of ":80=edge" must be host:port`,
		":80=:80":                `entry.routes is not valid: the target ":80" of ":80=:80" must be host:port`,
		":80=edge:http":          `entry.routes is not valid: the target "edge:http" of ":80=edge:http" must be host:port`,
		"80=edge:80":             `entry.routes is not valid: the address "80" of "80=edge:80", to listen on, must be host:port`,
		":80=edge:80+tls":        `entry.routes is not valid: ":80=edge:80+tls" must end with +proxy or have no +`,
		":80=edge:80,:80=edge:1": `entry.routes.1 listens on :80, as one before does`,
	} {
		if _, err := load("LIMEN_ENTRY_ROUTES=" + text); err == nil || err.Error() != "environment LIMEN_ENTRY_ROUTES: "+want {
			t.Errorf("%s:\n%v, want\n%s", text, err, want)
		}
	}
	if _, err := New(Config{}, Deps{}); err == nil || !strings.Contains(err.Error(), "LIMEN_ENTRY_ROUTES") {
		t.Errorf("without a route: %v", err)
	}
	if err := (&Config{DrainTimeout: -1}).Check(); err == nil {
		t.Error("a negative time-out passes")
	}
}
