package wsconn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/limen-gateway/limen/platform/connections"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// startRelayed starts a node to whose door for edges w.addr leads.
func startRelayed(t *testing.T, config Config) *world {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, edge: &fakeEdge{seen: make(chan *edgev1.InvokeRequest, 10000)}, addr: l.Addr().String()}
	if w.node, err = New(config, Deps{Edge: w.edge, Sockets: []Socket{{Listener: l, Relay: true}}}); err != nil {
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
	<-w.node.Ready()
	return w
}

// place is a relay connection and the id that the node gave with it.
func (w *world) place() (c net.Conn, id string) {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	var reserved wsconnv1.RelayReserved
	if err := connections.ReadRelayed(c, &reserved); err != nil {
		w.t.Fatal(err)
	}
	return c, reserved.GetConnectionId()
}

func (w *world) say(c net.Conn, q *wsconnv1.RelayRequest) {
	w.t.Helper()
	if err := connections.WriteRelayed(c, q); err != nil {
		w.t.Fatal(err)
	}
}

func opening(edge uint64, id string) *wsconnv1.RelayRequest {
	return &wsconnv1.RelayRequest{Edge: edge, What: &wsconnv1.RelayRequest_Open{Open: &wsconnv1.RelayOpen{Key: "dGhlIHNhbXBsZSBub25jZQ==",
		Handoff: &wsconnv1.Handoff{ConnectionId: id, Account: account, ApiId: "api", Stage: "prod", Session: []byte("s"), Subprotocol: "chat"}}}}
}

// relayed opens a connection of an edge; what is returned begins behind the 101.
func (w *world) relayed(edge uint64) (c net.Conn, r *bufio.Reader, id string) {
	w.t.Helper()
	c, id = w.place()
	w.say(c, opening(edge, id))
	r = bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-WebSocket-Protocol") != "chat" {
		w.t.Fatalf("%v, %v", res, err)
	}
	for !open(w, id) {
		time.Sleep(time.Millisecond)
	}
	return c, r, id
}

func expectFrame(t *testing.T, r io.Reader, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); string(got) != want {
		t.Fatalf("%q, %v, want %q", got[:n], err, want)
	}
}

const goesAway = "\x88\x0c\x03\xe9Going away"

// TestConnectionsFromEdges: a node opens what an edge hands over, pushes to it, and tells the end when the edge is gone.
func TestConnectionsFromEdges(t *testing.T) {
	w := startRelayed(t, Config{})
	c, r, id := w.relayed(7)
	_, _ = io.WriteString(c, "\x81\x82\x00\x00\x00\x00hi")
	expectFrame(t, r, "\x81\x05re:hi")
	if answer, _ := w.node.Answer(post(id, "pushed")); answer.GetOutcome() != wsconnv1.Outcome_OUTCOME_DONE {
		t.Errorf("%v", answer)
	}
	expectFrame(t, r, "\x81\x06pushed")
	_ = c.Close()
	if got := w.disconnect(); got != "1006 " {
		t.Error(got)
	}
}

// TestAnEdgeThatEnds says so, and its connections are closed; those of others stay.
func TestAnEdgeThatEnds(t *testing.T) {
	w := startRelayed(t, Config{})
	_, leaving, _ := w.relayed(7)
	other, stays, _ := w.relayed(8)
	for range 2 { // it says so again while it has any
		c, _ := w.place()
		w.say(c, &wsconnv1.RelayRequest{Edge: 7, What: &wsconnv1.RelayRequest_Leave{Leave: &wsconnv1.RelayLeave{}}})
	}
	expectFrame(t, leaving, goesAway)
	if _, err := leaving.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("behind the close frame: %v", err)
	}
	if got := w.disconnect(); got != "1001 Going away" {
		t.Error(got)
	}
	_, _ = io.WriteString(other, "\x81\x82\x00\x00\x00\x00hi")
	expectFrame(t, stays, "\x81\x05re:hi")
}

// TestPlaces are for the connection that they were given for, and there are none when the node ends.
func TestPlaces(t *testing.T) {
	w := startRelayed(t, Config{})
	for name, q := range map[string]*wsconnv1.RelayRequest{"another id": opening(7, "TXzPWdnOjoECGjA="), "nothing": {}} {
		c, _ := w.place()
		w.say(c, q)
		if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	c, _ := w.place()
	_, _ = c.Write([]byte{0xff, 0xff, 0xff, 0xff})
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("a message without end: %q, %v", b, err)
	}
	c, _ = w.place()
	_, open, _ := w.relayed(7)
	w.stop()
	if b, err := io.ReadAll(c); err != nil || len(b) > 0 {
		t.Errorf("a place at a node that ends: %q, %v", b, err)
	}
	expectFrame(t, open, goesAway)
}
