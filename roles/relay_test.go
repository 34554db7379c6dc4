package roles

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/trust"
	"github.com/limen-gateway/limen/services/wsconn"
)

// relayNode starts a node that takes connections from edges, with a network between that fails.
func (c *socketCluster) relayNode() (way *proxytest.Proxy, stop func()) {
	at := proxytest.FreeAddress(c.t)
	way = proxytest.New(c.t, func() (string, string) { return "tcp", at })
	_, stop = start(c.t, Config{DataDir: c.t.TempDir(), NATS: c.another.NATS, Wsconn: WsconnConfig{Edge: c.edge.Addr(), RelayListen: at, RelayAdvertise: way.Addr()}}, only("wsconn"))
	return way, stop
}

// eventually dials until the status is the wanted one.
func (c *socketCluster) eventually(status int) *websocket.Conn {
	c.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		ws, got := c.dial()
		if got == status {
			return ws
		}
		if ws != nil {
			_ = ws.Close()
		}
		if time.Now().After(deadline) {
			c.t.Fatalf("a handshake is answered %d, want %d", got, status)
		}
	}
}

// idOf asks a connection for its own id.
func (c *socketCluster) idOf(ws *websocket.Conn) (id string, node uint16) {
	c.t.Helper()
	_, rest, _ := strings.Cut(c.ask(ws, "who"), `"connectionId":"`)
	id, _, _ = strings.Cut(rest, `"`)
	node, ok := connections.NodeOf(id)
	if !ok {
		c.t.Fatalf("%q is no id", id)
	}
	return id, node
}

// ended waits until $disconnect was heard for each of the ids.
func (c *socketCluster) ended(ids map[string]bool) {
	c.t.Helper()
	for len(ids) > 0 {
		select {
		case id := <-c.ends:
			delete(ids, id)
		case <-time.After(time.Minute):
			c.t.Fatalf("the ends of %v are not told", ids)
		}
	}
}

func (c *socketCluster) goesAway(ws *websocket.Conn) {
	c.t.Helper()
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		c.t.Errorf("%v, want 1001", err)
	}
}

// TestConnectionsRelayedToOtherProcesses: through an edge to nodes elsewhere, which come, break off, end, and whose edge ends.
func TestConnectionsRelayedToOtherProcesses(t *testing.T) {
	c := startSocketCluster(t)
	c.another.DataDir = t.TempDir()
	_, stopEdge := start(t, c.another, only("edge"))
	running := true
	defer func() {
		if running {
			stopEdge()
		}
	}()
	_, path, _ := strings.Cut(c.url, "/_aws/")
	c.url = "ws://" + c.another.Edge.Listen + "/_aws/" + path
	if _, status := c.dial(); status != http.StatusServiceUnavailable {
		t.Errorf("without a node: %d", status)
	}

	way, stopFirst := c.relayNode()
	ws := c.eventually(http.StatusSwitchingProtocols)
	id, first := c.idOf(ws)
	if got := c.ask(ws, `{"action":"ping","pad":"`+strings.Repeat("x", 64<<10)+`"}`); got != pong {
		t.Errorf("a long message: %s", got)
	}
	push := strings.Repeat("y", 64<<10)
	if got := signedCall(t, c.control, c.key, "POST", "/prod/@connections/"+strings.ReplaceAll(id, "=", "%3D"), push); got != "200 " {
		t.Error(got)
	}
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != push {
		t.Errorf("a long push: %d bytes, %v", len(got), err)
	}

	way.Cut() // each takes the other for dead
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseAbnormalClosure) {
		t.Errorf("after the cut: %v", err)
	}
	c.ended(map[string]bool{id: true})
	way.Restore(t)

	_, stopSecond := c.relayNode()
	here, there := map[*websocket.Conn]string{}, map[*websocket.Conn]string{}
	for len(here) < 3 || len(there) < 3 {
		ws := c.eventually(http.StatusSwitchingProtocols)
		if id, node := c.idOf(ws); node == first {
			here[ws] = id
		} else {
			there[ws] = id
		}
	}
	stopped := make(chan struct{})
	go func() { stopFirst(); close(stopped) }()
	for ws := range here {
		c.goesAway(ws)
		if ws, status := c.dial(); ws == nil {
			t.Errorf("while a node ends, a handshake is answered %d", status)
		} else if id, node := c.idOf(ws); node == first {
			t.Errorf("a node that ends is given %s", id)
		} else {
			there[ws] = id
		}
	}
	<-stopped
	told := map[string]bool{}
	for _, id := range here {
		told[id] = true
	}
	c.ended(told)

	running = false
	stopped = make(chan struct{})
	go func() { stopEdge(); close(stopped) }()
	for ws, id := range there {
		c.goesAway(ws)
		told[id] = true
	}
	<-stopped
	c.ended(told)
	stopSecond()
}

// identity is the certificate of a role.
func (s *secured) identity(role string) *trust.Identity {
	s.t.Helper()
	i, err := trust.Open(s.files(role), slog.Default())
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// TestOnlyEdgesRelay: a node gives places to who proves to be an edge.
func TestOnlyEdgesRelay(t *testing.T) {
	s := newSecured(t)
	l := listen(t)
	node, err := wsconn.New(wsconn.Config{}, wsconn.Deps{Edge: edgeOf{}, Sockets: []wsconn.Socket{{Listener: l, TLS: s.identity("wsconn").Server("edge"), Relay: true}}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	for _, role := range certified() {
		if err := s.refused(l.Addr().String(), s.identity(role), "wsconn"); (err == nil) != (role == "edge") {
			t.Errorf("%s: %v", role, err)
		}
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "in the clear, in the clear")
	_ = c.SetReadDeadline(time.Now().Add(membersPatience))
	if b, _ := io.ReadAll(c); len(b) > 0 && b[0] != 0x15 { // an alert of TLS
		t.Errorf("without a certificate: %q", b)
	}
}
