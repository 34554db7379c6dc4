// Package dispatch carries events of connections to an edge: messages concurrently and within bounds, the end of a
// connection until some edge has it.
//
// Order: messages of one connection run side by side, as AWS's do (spec/websocket.md 22), unless its lane has one place
// only. The surprise: a full lane is not an error. Message waits, its socket is not read meanwhile, and the client feels it
// as TCP back pressure.
package dispatch

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/platform/connections"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// defaultWorkers is how many messages of all connections may be on their way.
	defaultWorkers = 4096
	// defaultLane is how many of one connection (spec/websocket.md 29).
	defaultLane = 16
	// defaultWait is how long a message waits for a worker before its sender is told Too Many Requests.
	defaultWait = 5 * time.Second
	// farewells is how often the end of a connection is tried, with growing pauses.
	farewells     = 6
	firstFarewell = 50 * time.Millisecond
)

// Config is what a Dispatcher is made of; zero values take the defaults.
type Config struct {
	Edge    edgev1.EdgeClient
	Workers int
	Wait    time.Duration
	Log     *slog.Logger
	Traces  trace.TracerProvider // nil records nothing
}

// Dispatcher is safe for concurrent use.
type Dispatcher struct {
	c       Config
	workers chan struct{}
	group   sync.WaitGroup
}

// New makes a dispatcher.
func New(c Config) *Dispatcher {
	if c.Workers == 0 {
		c.Workers = defaultWorkers
	}
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	return &Dispatcher{c: c, workers: make(chan struct{}, c.Workers)}
}

// Lane holds the places of one connection's messages. It is made at the first message: most connections send none.
type Lane struct{ places chan struct{} }

// Sender is the connection that a message came from.
type Sender interface {
	Handoff() *wsconnv1.Handoff
	// Done is closed when the connection is to end: nobody waits for its messages any more.
	Done() <-chan struct{}
	// Lane is used by the goroutine that reads the connection alone.
	Lane() *Lane
	// Reply sends a frame to the connection, which may take as long as its client does; Queue does not wait. Withdrawn ends
	// it: its API exists no more.
	Reply(frame []byte)
	Queue(frame []byte)
	Withdrawn()
}

// Message takes a message of a connection. It returns when the connection may be read on.
func (d *Dispatcher) Message(ctx context.Context, s Sender, text string) {
	lane := s.Lane()
	if lane.places == nil {
		n := int(s.Handoff().GetLimits().GetInFlight())
		if n <= 0 {
			n = defaultLane
		}
		lane.places = make(chan struct{}, n)
	}
	places := lane.places
	select {
	case places <- struct{}{}:
	case <-s.Done():
		return
	case <-ctx.Done():
		return
	}
	if !d.worker(ctx) {
		<-places
		d.tooMany(s)
		return
	}
	d.group.Go(func() {
		defer func() { <-places }()
		answer := d.invoke(ctx, s, text)
		<-d.workers // a client that reads slowly holds up its own messages alone
		if answer != nil {
			s.Reply(answer)
		}
	})
}

func (d *Dispatcher) worker(ctx context.Context) bool {
	select {
	case d.workers <- struct{}{}:
		return true
	default:
	}
	patience := time.NewTimer(d.c.Wait)
	defer patience.Stop()
	select {
	case d.workers <- struct{}{}:
		return true
	case <-patience.C:
	case <-ctx.Done():
	}
	return false
}

func (d *Dispatcher) tooMany(s Sender) { s.Queue(frame("Too Many Requests", s)) }

// frame is an error frame that no edge has made; its request id is nobody's.
func frame(message string, s Sender) []byte {
	return event.AppendSocketError(nil, message, s.Handoff().GetConnectionId(), connections.NewID(uint16(rand.Uint32()), rand.Uint64()))
}

func request(h *wsconnv1.Handoff) *edgev1.InvokeRequest {
	return &edgev1.InvokeRequest{ConnectionId: h.GetConnectionId(), ApiId: h.GetApiId(), Stage: h.GetStage(), Session: h.GetSession()}
}

// invoke returns the frame for the sender; nil is none.
func (d *Dispatcher) invoke(ctx context.Context, s Sender, text string) []byte {
	req := request(s.Handoff())
	req.Event = &edgev1.InvokeRequest_Message{Message: &edgev1.Message{Text: text}}
	ctx, span := d.openSpan(ctx, s.Handoff(), "message")
	res, err := d.c.Edge.Invoke(ctx, req)
	closeSpan(span, err)
	switch {
	case err != nil:
		d.c.Log.Warn("a message found no edge", "connection_id", req.ConnectionId, "api_id", req.ApiId, "error", err)
		return frame("Internal server error", s)
	case res.GetWithdrawn() != nil:
		s.Withdrawn()
	}
	return res.GetReply()
}

// Disconnect tells an edge that a connection has ended, and tries again while none answers. It reports whether one did.
func (d *Dispatcher) Disconnect(ctx context.Context, h *wsconnv1.Handoff, code int, reason string) bool {
	req := request(h)
	req.Event = &edgev1.InvokeRequest_Disconnect{Disconnect: &edgev1.Disconnect{Code: int32(code), Reason: reason}}
	pause := firstFarewell
	ctx, span := d.openSpan(ctx, h, "disconnect")
	defer closeSpan(span, nil)
	for n := 1; ; n++ {
		_, err := d.c.Edge.Invoke(ctx, req)
		if err == nil {
			return true
		}
		if n == farewells || ctx.Err() != nil {
			d.c.Log.Error("no edge took the end of a connection", "connection_id", req.ConnectionId, "api_id", req.ApiId, "error", err)
			return false
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// Wait returns when no message is on its way.
func (d *Dispatcher) Wait() { d.group.Wait() }
