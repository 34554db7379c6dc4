package wsconn

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/natstest"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/proxytest"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const account = "123456789012"

// fakeEdge answers events: connect by the path, messages by their text.
type fakeEdge struct {
	edgev1.EdgeClient
	seen    chan *edgev1.InvokeRequest
	refused atomic.Int32

	mu      sync.Mutex
	failing bool
	hold    chan struct{}
	limits  *wsconnv1.Limits
}

func (e *fakeEdge) Invoke(ctx context.Context, r *edgev1.InvokeRequest, _ ...grpc.CallOption) (*edgev1.InvokeResponse, error) {
	e.mu.Lock()
	failing, hold, limits := e.failing, e.hold, e.limits
	e.mu.Unlock()
	if failing {
		e.refused.Add(1)
		return nil, errors.New("no edge")
	}
	e.seen <- r
	out := &edgev1.InvokeResponse{}
	switch {
	case r.GetConnect() != nil && strings.HasPrefix(r.GetConnect().GetTarget(), "/refused"):
		out.Outcome = &edgev1.InvokeResponse_Refused{Refused: &edgev1.Refusal{Status: 401, Headers: []*edgev1.Header{{Name: "X-Why", Value: []byte("x")}}, Body: []byte("no")}}
	case r.GetConnect() != nil:
		out.Outcome = &edgev1.InvokeResponse_Connected{Connected: &wsconnv1.Handoff{
			ConnectionId: r.ConnectionId, Account: account, ApiId: "api", Stage: "prod", Session: []byte("s"), SourceIp: "192.0.2.1", Subprotocol: "chat", Limits: limits}}
	case r.GetMessage() != nil:
		text := r.GetMessage().GetText()
		if text == "slow" && hold != nil {
			select {
			case <-hold:
			case <-ctx.Done():
			}
		}
		switch {
		case text == "withdrawn":
			out.Outcome = &edgev1.InvokeResponse_Withdrawn{Withdrawn: &edgev1.Withdrawn{}}
		case text != "quiet":
			out.Outcome = &edgev1.InvokeResponse_Reply{Reply: []byte("re:" + text)}
		}
	}
	return out, nil
}

type world struct {
	t    *testing.T
	node *Service
	edge *fakeEdge
	addr string
	stop func()
}

func start(t *testing.T, config Config, nc *nats.Conn) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, edge: &fakeEdge{seen: make(chan *edgev1.InvokeRequest, 10000)}, addr: l.Addr().String()}
	if w.node, err = New(config, Deps{Edge: w.edge, NATS: nc, Sockets: []Socket{{Listener: l}}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.node.Run(ctx) }()
	w.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(w.stop)
	select {
	case <-w.node.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the node has no number")
	}
	return w
}

func (w *world) dial(path string) *websocket.Conn {
	w.t.Helper()
	c, _, err := websocket.DefaultDialer.Dial("ws://"+w.addr+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	return c
}

// event waits for the next event of a kind.
func (w *world) event(is func(*edgev1.InvokeRequest) bool) *edgev1.InvokeRequest {
	w.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case r := <-w.edge.seen:
			if is(r) {
				return r
			}
		case <-deadline:
			w.t.Fatal("the event does not come")
		}
	}
}

func isConnect(r *edgev1.InvokeRequest) bool    { return r.GetConnect() != nil }
func isDisconnect(r *edgev1.InvokeRequest) bool { return r.GetDisconnect() != nil }

func (w *world) disconnect() string {
	w.t.Helper()
	d := w.event(isDisconnect)
	return fmt.Sprintf("%d %s", d.GetDisconnect().GetCode(), d.GetDisconnect().GetReason())
}

func read(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	_, b, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// closing is the close frame that the client gets.
func closing(t *testing.T, c *websocket.Conn) string {
	t.Helper()
	for {
		if _, _, err := c.ReadMessage(); err != nil {
			var e *websocket.CloseError
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			return fmt.Sprintf("%d %s", e.Code, e.Text)
		}
	}
}

func request(id string) *wsconnv1.Request {
	return &wsconnv1.Request{ConnectionId: id, Account: account}
}

func post(id, text string) *wsconnv1.Request {
	r := request(id)
	r.What = &wsconnv1.Request_Post{Post: &wsconnv1.Post{Data: []byte(text)}}
	return r
}

func TestRoundTrip(t *testing.T) {
	w := start(t, Config{}, nil)
	c := w.dial("/prod?q=1")
	connect := w.event(isConnect)
	if connect.GetConnect().GetTarget() != "/prod?q=1" || connect.GetConnect().GetHost() != w.addr || c.Subprotocol() != "chat" {
		t.Errorf("%v, %q", connect, c.Subprotocol())
	}
	if err := c.WriteMessage(websocket.TextMessage, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c); got != "re:hello" {
		t.Error(got)
	}
	message := w.event(func(r *edgev1.InvokeRequest) bool { return r.GetMessage() != nil })
	if string(message.GetSession()) != "s" || message.GetApiId() != "api" || message.GetStage() != "prod" || message.GetConnectionId() != connect.GetConnectionId() {
		t.Errorf("%v", message)
	}
	answer, ok := w.node.Answer(post(connect.GetConnectionId(), "pushed"))
	if !ok || answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_DONE || read(t, c) != "pushed" {
		t.Errorf("%v", answer)
	}
	foreign := post(connect.GetConnectionId(), "pushed")
	foreign.Account = "222222222222"
	if answer, _ := w.node.Answer(foreign); answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("another account: %v", answer)
	}
	get := request(connect.GetConnectionId())
	get.What = &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}
	if answer, _ := w.node.Answer(get); answer.GetSourceIp() != "192.0.2.1" || answer.GetLastActiveAtUnixMilli() == 0 {
		t.Errorf("%v", answer)
	}
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, "bye"), time.Now().Add(time.Second))
	if got := w.disconnect(); got != "1000 bye" {
		t.Error(got)
	}
	if answer, _ := w.node.Answer(get); answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("after the end: %v", answer)
	}
}

func TestHandshakes(t *testing.T) {
	w := start(t, Config{}, nil)
	const rest = "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	for _, tt := range []struct{ name, raw, want string }{
		{"refused", "GET /refused HTTP/1.1\r\n" + rest, "401 no"},
		{"ping", "GET /ping HTTP/1.1\r\n" + rest, "200 healthy"},
		{"another verb", "POST / HTTP/1.1\r\n" + rest, `426 {"message":"Upgrade Required"}`},
		{"another version", "GET / HTTP/1.0\r\n" + rest, `400 {"message":"Bad Request"}`},
		{"no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", `400 {"message":"Bad Request"}`},
		{"a host that is not ASCII", "GET / HTTP/1.1\r\n" + strings.Replace(rest, "Host: h", "Host: caf\xe9", 1), `400 {"message":"Bad Request"}`},
		{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\n" + rest, `400 {"message":"Bad Request"}`},
		{"a body", "GET / HTTP/1.1\r\nContent-Length: 3\r\n" + rest, `400 {"message":"Bad Request"}`},
		{"a folded line", "GET / HTTP/1.1\r\n folded: x\r\n" + rest, `400 {"message":"Bad Request"}`},
		{"a bare line feed", "GET / HTTP/1.1\nHost: a\r\n\r\n", `400 {"message":"Bad Request"}`},
		{"a long URL", "GET /" + strings.Repeat("x", 4097) + " HTTP/1.1\r\n" + rest, `414 {"message":"Request URI Too Long"}`},
		{"a long head", "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", 10300) + "\r\n" + rest, `431 {"message":"Request Header Fields Too Large"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			_, _ = io.WriteString(c, tt.raw)
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if got := fmt.Sprintf("%d %s", res.StatusCode, body); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	w.edge.mu.Lock()
	w.edge.failing = true
	w.edge.mu.Unlock()
	if _, res, err := websocket.DefaultDialer.Dial("ws://"+w.addr+"/prod", nil); err == nil || res.StatusCode != 503 {
		t.Errorf("without an edge: %v", err)
	}
}

func TestProxyProtocol(t *testing.T) {
	handshake := func(w *world, header string) {
		t.Helper()
		d := websocket.Dialer{NetDial: func(network, addr string) (net.Conn, error) {
			c, err := net.Dial(network, addr)
			if err == nil {
				_, err = io.WriteString(c, header)
			}
			return c, err
		}}
		c, _, err := d.Dial("ws://"+w.addr+"/prod", nil)
		if err != nil {
			t.Fatal(err)
		}
		w.t.Cleanup(func() { _ = c.Close() })
	}
	w := start(t, Config{ProxyProtocolFrom: proxyprotocol.Networks{netip.MustParsePrefix("127.0.0.0/8")}}, nil)
	handshake(w, "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\n")
	if c := w.event(isConnect).GetConnect(); c.GetRemote() != "192.0.2.1:4000" || c.GetLocalPort() != 443 {
		t.Errorf("behind a trusted proxy: %s %d", c.GetRemote(), c.GetLocalPort())
	}
	handshake(w, "")
	if c := w.event(isConnect).GetConnect(); !strings.HasPrefix(c.GetRemote(), "127.0.0.1:") {
		t.Errorf("without a header: %s", c.GetRemote())
	}
	w = start(t, Config{}, nil)
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, _ = io.WriteString(c, "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\nGET /prod HTTP/1.1\r\nHost: h\r\n\r\n")
	if res, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || res.StatusCode != 400 {
		t.Errorf("from a network that is not trusted: %v %v", res, err)
	}
}

// raw opens a connection by hand; first goes out in the segment of the handshake.
func (w *world) raw(first string) (net.Conn, *bufio.Reader) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	_, err = io.WriteString(c, "GET /prod HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+first)
	if err != nil {
		w.t.Fatal(err)
	}
	r := bufio.NewReader(c)
	status, err := r.ReadString('\n')
	if err != nil || status != "HTTP/1.1 101 Switching Protocols\r\n" {
		w.t.Fatalf("%q, %v", status, err)
	}
	names := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			w.t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
		name, _, _ := strings.Cut(line, ":")
		names += name + " "
	}
	if names != "Date Connection Upgrade Sec-WebSocket-Accept Sec-WebSocket-Protocol " {
		w.t.Errorf("the 101 has %s", names)
	}
	return c, r
}

// masked makes a client frame with the mask 0.
func masked(first byte, payload string) string {
	switch n := len(payload); {
	case n < 126:
		return string([]byte{first, 0x80 | byte(n), 0, 0, 0, 0}) + payload
	case n < 1<<16:
		return string([]byte{first, 0x80 | 126, byte(n >> 8), byte(n), 0, 0, 0, 0}) + payload
	default:
		return string([]byte{first, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}) + payload
	}
}

// frame reads a short server frame.
func frame(t *testing.T, r *bufio.Reader) (first byte, payload string) {
	t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, head[1])
	if _, err := io.ReadFull(r, b); err != nil {
		t.Fatal(err)
	}
	return head[0], string(b)
}

const text, binary, fin = 0x81, 0x82, 0x80

func TestSegments(t *testing.T) {
	w := start(t, Config{}, nil)
	w.edge.limits = &wsconnv1.Limits{InFlight: 1} // in order, for the test to compare
	c, r := w.raw(masked(text, "first"))
	if _, got := frame(t, r); got != "re:first" {
		t.Errorf("with the handshake: %q", got)
	}
	_, _ = io.WriteString(c, masked(text, "a")+masked(text, "b")+masked(0x89, "ping")+masked(1, "c")+masked(fin, "d"))
	got := map[string]bool{}
	for range 4 {
		first, payload := frame(t, r)
		got[fmt.Sprintf("%x %s", first, payload)] = true
	}
	for _, want := range []string{"81 re:a", "81 re:b", "8a ping", "81 re:cd"} {
		if !got[want] {
			t.Errorf("several in one segment: %v lacks %s", got, want)
		}
	}
	for _, b := range []byte(masked(text, "slowly") + masked(text, "")) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if _, got := frame(t, r); got != "re:slowly" {
		t.Errorf("byte by byte: %q", got)
	}
	if _, got := frame(t, r); got != "re:" {
		t.Errorf("empty: %q", got)
	}
}

func TestCloseCodes(t *testing.T) {
	w := start(t, Config{Limits: Limits{MessageTime: 200 * time.Millisecond}}, nil)
	for _, tt := range []struct{ name, sent, frame, event string }{
		{"binary", masked(binary, "x"), "\x03\xebBinary frames are not supported", "1003 Binary frames are not supported"},
		{"invalid UTF-8", masked(text, "\xff"), "\x03\xefInvalid UTF-8", "1007 Invalid UTF-8"},
		{"unmasked", "\x81\x01x", "\x03\xeabad MASK", "1002 bad MASK"},
		{"reserved bit", masked(0xc1, "x"), "\x03\xeaRSV1 set", "1002 RSV1 set"},
		{"frame too big", masked(text, strings.Repeat("x", 33000)), "\x03\xf1Frame too big", "1009 Frame too big"},
		{"message too big", masked(1, strings.Repeat("x", 32768)) + strings.Repeat(masked(0, strings.Repeat("x", 32768)), 3) + masked(0, "x"), "\x03\xf1", "1009 Message too big"},
		{"close with code", masked(0x88, "\x03\xe9gone"), "\x03\xe9", "1001 gone"},
		{"close without code", masked(0x88, ""), "", "1005 Client-side close frame status not set"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := w.raw("")
			_, _ = io.WriteString(c, tt.sent)
			first, payload := frame(t, r)
			if first != 0x88 || payload != tt.frame {
				t.Errorf("frame %x %q, want %q", first, payload, tt.frame)
			}
			if got := w.disconnect(); got != tt.event {
				t.Errorf("event %s, want %s", got, tt.event)
			}
		})
	}
	t.Run("vanished", func(t *testing.T) {
		c, _ := w.raw("")
		c.Close()
		if got := w.disconnect(); got != "1006 " {
			t.Error(got)
		}
	})
	t.Run("stops inside a frame", func(t *testing.T) {
		_, r := w.raw("\x81\xfe\x01")
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("%v", err)
		}
		if got := w.disconnect(); got != "1006 " {
			t.Error(got)
		}
	})
	t.Run("stops inside a message", func(t *testing.T) {
		_, _ = w.raw(masked(1, "half"))
		if got := w.disconnect(); got != "1006 " {
			t.Error(got)
		}
	})
	t.Run("a ping in two pieces ends nothing", func(t *testing.T) {
		c, r := w.raw("\x89")
		_, _ = io.WriteString(c, masked(0x89, "p")[1:])
		frame(t, r)
		time.Sleep(300 * time.Millisecond) // longer than a message may take
		_, _ = io.WriteString(c, masked(text, "alive"))
		if _, got := frame(t, r); got != "re:alive" {
			t.Error(got)
		}
	})
	t.Run("100 KB in fragments", func(t *testing.T) {
		c := w.dial("/prod")
		var b strings.Builder
		b.WriteString(masked(1, strings.Repeat("x", 32768)))
		b.WriteString(masked(0, strings.Repeat("y", 32768)))
		b.WriteString(masked(fin, strings.Repeat("z", 30000)))
		_, _ = io.WriteString(c.NetConn(), b.String())
		if got := read(t, c); len(got) != 3+32768*2+30000 {
			t.Errorf("%d bytes", len(got))
		}
	})
}

func TestEnds(t *testing.T) {
	w := start(t, Config{Tick: 20 * time.Millisecond}, nil)
	t.Run("idle", func(t *testing.T) {
		w.edge.limits = &wsconnv1.Limits{IdleMillis: 100}
		if got := closing(t, w.dial("/prod")); got != "1001 Going away" {
			t.Error(got)
		}
		if got := w.disconnect(); got != "1001 Going away" {
			t.Error(got)
		}
	})
	t.Run("old", func(t *testing.T) {
		w.edge.limits = &wsconnv1.Limits{LifetimeMillis: 100}
		if got := closing(t, w.dial("/prod")); got != "1001 Going away" {
			t.Error(got)
		}
		w.disconnect()
	})
	w.edge.limits = nil
	t.Run("deleted, after what was handed over", func(t *testing.T) {
		c := w.dial("/prod")
		id := w.event(isConnect).GetConnectionId()
		for !open(w, id) {
			time.Sleep(time.Millisecond)
		}
		w.node.Answer(post(id, strings.Repeat("x", 100000)))
		remove := request(id)
		remove.What = &wsconnv1.Request_Delete{Delete: &wsconnv1.Delete{}}
		w.node.Answer(remove)
		if got := read(t, c); len(got) != 100000 {
			t.Errorf("%d bytes", len(got))
		}
		if got := closing(t, c); got != "1000 Connection Closed Normally" {
			t.Error(got)
		}
		if got := w.disconnect(); got != "1000 Connection Closed Normally" {
			t.Error(got)
		}
	})
	t.Run("withdrawn", func(t *testing.T) {
		c := w.dial("/prod")
		_ = c.WriteMessage(websocket.TextMessage, []byte("withdrawn"))
		if got := closing(t, c); got != "1001 Going away" {
			t.Error(got)
		}
		w.disconnect()
	})
	t.Run("the node ends", func(t *testing.T) {
		c := w.dial("/prod")
		id := w.event(isConnect).GetConnectionId()
		for !open(w, id) {
			time.Sleep(time.Millisecond)
		}
		go w.stop()
		if got := closing(t, c); got != "1001 Going away" {
			t.Error(got)
		}
		if got := w.disconnect(); got != "1001 Going away" {
			t.Error(got)
		}
	})
}

// TestDrain: the close frames of many connections are spread, no connection opens meanwhile, and every end is told.
func TestDrain(t *testing.T) {
	const window, connections = 300 * time.Millisecond, 60
	w := start(t, Config{DrainWindow: window}, nil)
	ends := make(chan time.Time, connections)
	for range connections {
		c := w.dial("/prod")
		go func() {
			if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
				t.Errorf("%v", err)
			}
			ends <- time.Now()
		}()
		id := w.event(isConnect).GetConnectionId()
		for !open(w, id) {
			time.Sleep(time.Millisecond)
		}
	}
	go w.stop()
	first := <-ends
	if id, ok := w.node.Mint(); ok {
		t.Errorf("a draining node gives the id %s", id)
	}
	if c, err := net.Dial("tcp", w.addr); err == nil {
		c.Close()
		t.Error("a draining node listens")
	}
	last := first
	for range connections - 1 {
		last = <-ends
	}
	if spread := last.Sub(first); spread < window/2 {
		t.Errorf("all were told to go within %v", spread)
	}
	for range connections {
		if got := w.disconnect(); got != "1001 Going away" {
			t.Error(got)
		}
	}
}

func open(w *world, id string) bool {
	get := request(id)
	get.What = &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}
	answer, _ := w.node.Answer(get)
	return answer.GetOutcome() == wsconnv1.Outcome_OUTCOME_DONE
}

func TestNobodyIsPushedToBeforeThe101(t *testing.T) {
	w := start(t, Config{}, nil)
	id, _ := w.node.Mint()
	if open(w, id) {
		t.Error("a connection that has not opened is open")
	}
	if answer, _ := w.node.Answer(post(id, "x")); answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("%v", answer)
	}
}

// TestAConnectionOfAnotherNumberIsNotTaken: its node lost the number during $connect, and nobody could push to it.
func TestAConnectionOfAnotherNumberIsNotTaken(t *testing.T) {
	w := start(t, Config{}, nil)
	own, _ := w.node.node.Number()
	client, server := net.Pipe()
	w.node.Take(&wsconnv1.Handoff{ConnectionId: connections.NewID(own+1, 7)}, "dGhlIHNhbXBsZSBub25jZQ==", server)
	if b, err := io.ReadAll(client); err != nil || len(b) > 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// TestAClientThatNeverReads: its queue is bounded, pushes are refused, and everything ends.
func TestAClientThatNeverReads(t *testing.T) {
	w := start(t, Config{Limits: Limits{WriteTime: 300 * time.Millisecond}}, nil)
	_, _ = w.raw("")
	id := w.event(isConnect).GetConnectionId()
	for !open(w, id) {
		time.Sleep(time.Millisecond)
	}
	big := strings.Repeat("x", 128<<10)
	if answer, _ := w.node.Answer(post(id, big+"x")); answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_TOO_BIG {
		t.Errorf("%v", answer)
	}
	full := false
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Microsecond) {
		answer, _ := w.node.Answer(post(id, big))
		full = full || answer.GetOutcome() == wsconnv1.Outcome_OUTCOME_FULL
		if answer.GetOutcome() == wsconnv1.Outcome_OUTCOME_GONE {
			break // the system's own buffers were filled first
		}
	}
	if !full {
		t.Error("the queue has no end")
	}
	if got := w.disconnect(); got != "1006 " {
		t.Error(got)
	}
}

// TestAThousandStopInsideAFrame: each is ended by the time a message may take, and nothing of them is left.
func TestAThousandStopInsideAFrame(t *testing.T) {
	const clients = 1000
	w := start(t, Config{Limits: Limits{MessageTime: time.Second}}, nil)
	for i := range clients {
		w.raw([]string{"\x81", "\x81\xfe\x01", masked(text, "half a frame")[:9], masked(1, "half a message")}[i%4])
	}
	for range clients {
		if got := w.disconnect(); got != "1006 " {
			t.Fatal(got)
		}
	}
	if n := w.node.hub.Len(); n > 0 {
		t.Errorf("%d connections are open", n)
	}
}

// TestMessagesRunSideBySide within the bound of their connection; beyond it the socket is not read.
func TestMessagesRunSideBySide(t *testing.T) {
	w := start(t, Config{}, nil)
	w.edge.hold = make(chan struct{})
	w.edge.limits = &wsconnv1.Limits{InFlight: 2}
	c := w.dial("/prod")
	for _, m := range []string{"slow", "fast", "slow", "later"} {
		_ = c.WriteMessage(websocket.TextMessage, []byte(m))
	}
	if got := read(t, c); got != "re:fast" {
		t.Errorf("%s came first", got)
	}
	close(w.edge.hold)
	got := map[string]int{read(t, c): 1}
	for range 2 {
		got[read(t, c)]++
	}
	if got["re:slow"] != 2 || got["re:later"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestWithoutWorkersThereAreTooMany(t *testing.T) {
	w := start(t, Config{Workers: 1}, nil)
	w.edge.hold = make(chan struct{})
	defer close(w.edge.hold)
	c := w.dial("/prod")
	_ = c.WriteMessage(websocket.TextMessage, []byte("slow"))
	_ = c.WriteMessage(websocket.TextMessage, []byte("more"))
	if got := read(t, c); !strings.HasPrefix(got, `{"message": "Too Many Requests", "connectionId":"`) {
		t.Error(got)
	}
}

func TestTheEndIsToldWhenAnEdgeIsBack(t *testing.T) {
	w := start(t, Config{}, nil)
	c := w.dial("/prod")
	w.edge.mu.Lock()
	w.edge.failing = true
	w.edge.mu.Unlock()
	_ = c.WriteMessage(websocket.TextMessage, []byte("hello"))
	if got := read(t, c); !strings.HasPrefix(got, `{"message": "Internal server error", "connectionId":"`) {
		t.Error(got)
	}
	c.Close()
	for w.edge.refused.Load() < 8 { // the message, every try to tell the end, and the first of those that come later
		time.Sleep(10 * time.Millisecond)
	}
	w.edge.mu.Lock()
	w.edge.failing = false
	w.edge.mu.Unlock()
	if got := w.disconnect(); got != "1006 " {
		t.Error(got)
	}
}

// TestASurvivorTellsTheEnds of the connections of a node that NATS has lost for longer than its lease; when the node is back
// it closes them, and tells none a second time.
func TestASurvivorTellsTheEnds(t *testing.T) {
	s := natstest.Start(t)
	way := proxytest.New(t, func() (string, string) { return "tcp", s.Proxy.Addr() })
	nc, err := nats.Connect("nats://"+way.Addr(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	lonely := start(t, Config{}, nc)
	survivor := start(t, Config{}, s.Dial(t))
	c := lonely.dial("/prod")
	id := lonely.event(isConnect).GetConnectionId()
	js, err := jetstream.New(s.Conn)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if stream, err := js.Stream(t.Context(), "limen_wsconn_journal"); err == nil && stream.CachedInfo().State.Msgs > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the opening is not written down")
		}
	}
	way.Cut()
	told := survivor.event(isDisconnect)
	if told.GetConnectionId() != id || told.GetDisconnect().GetCode() != 1006 || told.GetDisconnect().GetReason() != "" || string(told.GetSession()) != "s" || told.GetApiId() != "api" || told.GetStage() != "prod" {
		t.Errorf("%v", told)
	}
	_ = c.WriteMessage(websocket.TextMessage, []byte("hello"))
	if got := read(t, c); got != "re:hello" {
		t.Errorf("without NATS: %s", got)
	}
	way.Restore(t)
	if got := closing(t, c); got != "1012 Service restart" {
		t.Error(got)
	}
	lonely.stop()
	survivor.stop()
	for _, w := range []*world{lonely, survivor} {
		for len(w.edge.seen) > 0 {
			if r := <-w.edge.seen; isDisconnect(r) {
				t.Errorf("told again: %v", r)
			}
		}
	}
}

// TestPushFromTheOtherSide goes over NATS; losing NATS closes no socket.
func TestPushFromTheOtherSide(t *testing.T) {
	s := natstest.Start(t)
	w := start(t, Config{}, s.Dial(t))
	c := w.dial("/prod")
	id := w.event(isConnect).GetConnectionId()
	client := connections.NewClient(s.Dial(t), nil, nil)
	ask := func() (*wsconnv1.Answer, error) { return client.Ask(t.Context(), post(id, "pushed")) }
	deadline := time.Now().Add(10 * time.Second)
	for !open(w, id) && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if a, err := ask(); err != nil || a.GetOutcome() != wsconnv1.Outcome_OUTCOME_DONE || read(t, c) != "pushed" {
		t.Fatalf("%v, %v", a, err)
	}
	s.Kill()
	if _, err := ask(); !errors.Is(err, connections.ErrUnknown) {
		t.Errorf("without NATS: %v", err)
	}
	_ = c.WriteMessage(websocket.TextMessage, []byte("hello"))
	if got := read(t, c); got != "re:hello" {
		t.Error(got)
	}
	s.Restart(t)
	deadline = time.Now().Add(20 * time.Second)
	for {
		if a, err := ask(); err == nil && a.GetOutcome() == wsconnv1.Outcome_OUTCOME_DONE {
			break
		} else if err == nil {
			t.Fatalf("after the outage a live connection is said to be %v", a)
		}
		if time.Now().After(deadline) {
			t.Fatal("pushes do not come back")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := read(t, c); got != "pushed" {
		t.Error(got)
	}
}
