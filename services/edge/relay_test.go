package edge

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	platform "github.com/limen-gateway/limen/platform/connections"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// nodeAt answers relay connections at an address: it gives places, and hands over each connection that was opened.
type nodeAt struct {
	net.Listener
	dies   bool // instead of opening
	opened chan taken
}

func startNode(t *testing.T, dies bool) *nodeAt {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &nodeAt{l, dies, make(chan taken, 10)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.serve(c)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-done })
	return n
}

func (n *nodeAt) serve(c net.Conn) {
	var q wsconnv1.RelayRequest
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if platform.WriteRelayed(c, &wsconnv1.RelayReserved{ConnectionId: connectionID}) != nil || platform.ReadRelayed(c, &q) != nil || q.GetOpen() == nil || n.dies {
		_ = c.Close()
		return
	}
	_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
	n.opened <- taken{q.GetOpen().GetHandoff(), q.GetOpen().GetKey(), c}
}

func (n *nodeAt) Nodes() []string { return []string{n.Addr().String()} }

func startRelayed(t *testing.T, n *nodeAt, connect string) (*world, chan string) {
	t.Helper()
	events := make(chan string, 100)
	w := start(t, Deps{Functions: wsFunctions(events), Directory: n})
	publishSocket(w.edge, wsRoute("$connect", false, wsLambda(connect)), wsRoute("$disconnect", false, wsLambda("ok")))
	return w, events
}

func TestHandshakeIsRelayed(t *testing.T) {
	n := startNode(t, false)
	w, events := startRelayed(t, n, "ok")
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(c, handshakeHead+"first frame"); err != nil {
		t.Fatal(err)
	}
	got := <-n.opened
	defer got.conn.Close()
	if got.key != "dGhlIHNhbXBsZSBub25jZQ==" || got.h.ConnectionId != connectionID || got.h.Stage != "prod" || got.h.Subprotocol != "chat" || got.h.SourceIp != "127.0.0.1" {
		t.Errorf("handoff: %v", got.h)
	}
	first := make([]byte, len("first frame"))
	if _, err := io.ReadFull(got.conn, first); err != nil || string(first) != "first frame" {
		t.Errorf("what came in the handshake's segment: %q, %v", first, err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("%v, %v", res, err)
	}
	if e := <-events; !strings.Contains(e, `"connectionId":"`+connectionID+`"`) {
		t.Errorf("$connect: %s", e)
	}
}

// TestANodeDiesDuringConnect: the client gets no 101, and what $connect began is ended by $disconnect.
func TestANodeDiesDuringConnect(t *testing.T) {
	n := startNode(t, true)
	w, events := startRelayed(t, n, "ok")
	res, body := shake(t, w.addr, handshakeHead)
	if res.StatusCode != http.StatusServiceUnavailable || !sameFrame(body, `{"message": "Service Unavailable", "connectionId":"`+connectionID+`", "requestId":"REQUESTID"}`) {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if e := <-events; !strings.Contains(e, `"eventType":"CONNECT"`) {
		t.Error(e)
	}
	if e := <-events; !strings.Contains(e, `"eventType":"DISCONNECT"`) || !strings.Contains(e, `"disconnectStatusCode":1006`) {
		t.Error(e)
	}
}

// TestADefectKeepsNoPlace: an edge that ends would wait for it.
func TestADefectKeepsNoPlace(t *testing.T) {
	w, _ := startRelayed(t, startNode(t, false), "panics")
	if res, _ := shake(t, w.addr, handshakeHead); res.StatusCode != http.StatusInternalServerError {
		t.Errorf("%d", res.StatusCode)
	}
	if open := w.edge.relay.Len(); open != 0 {
		t.Errorf("%d places are kept", open)
	}
}

// TestWithoutANodeNothingRuns, nor when $connect refuses is a place kept.
func TestWithoutANodeNothingRuns(t *testing.T) {
	n := startNode(t, false)
	w, events := startRelayed(t, n, "teapot")
	if res, _ := shake(t, w.addr, handshakeHead); res.StatusCode != http.StatusTeapot {
		t.Errorf("%d", res.StatusCode)
	}
	<-events
	_ = n.Close()
	if res, body := shake(t, w.addr, handshakeHead); res.StatusCode != http.StatusServiceUnavailable || body != `{"message": "Service Unavailable"}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	if len(events) > 0 {
		t.Errorf("%s", <-events)
	}
	if open := w.edge.relay.Len(); open != 0 {
		t.Errorf("%d places are kept", open)
	}
}
