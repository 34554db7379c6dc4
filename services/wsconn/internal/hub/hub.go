// Package hub holds the open connections of a node: sessions by id, their send queues, the timers for idle and old ones, and
// the answers to the @connections API. It knows neither routes nor the wire.
//
// A session lives from the moment its 101 is out, not before: a push during $connect finds nothing (spec/websocket.md 22). It
// has one goroutine that reads and, while frames wait to be sent, one that writes. Lock order: Hub.mu before session.mu.
package hub

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/services/wsconn/internal/dispatch"
	"github.com/limen-gateway/limen/services/wsconn/internal/socket"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// Limits are AWS's where a connection has none of its own.
type Limits struct {
	Message, Frame int           // 128 KiB, 32 KiB
	Idle           time.Duration // 10 min without a message in either direction
	Lifetime       time.Duration // 2 h
	MessageTime    time.Duration // 60 s from the first byte of a message to its end
	WriteTime      time.Duration // 30 s for a frame to leave
	QueueMessages  int           // 256
	QueueBytes     int           // 1 MiB
}

// Defaults fills in what is 0.
func (l Limits) Defaults() Limits {
	set(&l.Message, 128<<10)
	set(&l.Frame, 32<<10)
	set(&l.Idle, 10*time.Minute)
	set(&l.Lifetime, 2*time.Hour)
	set(&l.MessageTime, time.Minute)
	set(&l.WriteTime, 30*time.Second)
	set(&l.QueueMessages, 256)
	set(&l.QueueBytes, 1<<20)
	return l
}

func set[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// Dispatch takes what connections say.
type Dispatch interface {
	Message(ctx context.Context, s dispatch.Sender, text string)
	Disconnect(ctx context.Context, h *wsconnv1.Handoff, code int, reason string) bool
}

// Journal writes down what opened and closed.
type Journal interface {
	Opened(h *wsconnv1.Handoff)
	Closed(id string)
}

// Config is what a Hub is made of.
type Config struct {
	Dispatch Dispatch
	Journal  Journal
	Limits   Limits
	// Tick is how exact timers are; 0 is a second.
	Tick time.Duration
	// DrainWindow is over how long a drain spreads its close frames, DrainTimeout how long it may take.
	DrainWindow, DrainTimeout time.Duration
	Now                       func() time.Time
	// Seen is told of everything countable; nil tells nobody.
	Seen func(What, int)
	Log  *slog.Logger
}

// What is a thing to count.
type What int

// The things to count. The number is the close code of Closed, 1 for the others.
const (
	Opened What = iota
	Closed
	Received
	Sent
	Pushed
	Full
)

// Hub is safe for concurrent use.
type Hub struct {
	c      Config
	ctx    context.Context // of dispatching; ends last
	cancel context.CancelFunc
	group  sync.WaitGroup
	wheel  wheel
	open   atomic.Int64

	mu       sync.RWMutex
	sessions map[string]*session
	closing  bool
	leaving  map[uint64]bool // edges whose connections are being closed
	owed     []ending
}

// New makes a hub.
func New(c Config) *Hub {
	c.Limits = c.Limits.Defaults()
	set(&c.Tick, time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Seen == nil {
		c.Seen = func(What, int) {}
	}
	h := &Hub{c: c, sessions: map[string]*session{}, leaving: map[uint64]bool{}, wheel: wheel{tick: c.Tick, slots: map[int64][]string{}}}
	h.ctx, h.cancel = context.WithCancel(context.Background())
	return h
}

// Len is the number of open connections.
func (h *Hub) Len() int { return int(h.open.Load()) }

// Take opens a connection whose $connect has passed; edge is the one that relays it, 0 is none. It does not block; the
// connection is closed when the hub is closing.
func (h *Hub) Take(handoff *wsconnv1.Handoff, key string, c net.Conn, edge uint64) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if h.closing {
		_ = c.Close()
		return
	}
	h.group.Go(func() { h.serve(handoff, key, c, edge) })
}

// serve is the life of a connection.
func (h *Hub) serve(handoff *wsconnv1.Handoff, key string, c net.Conn, edge uint64) {
	limits := h.limits(handoff)
	conn, err := socket.Open(c, key, handoff.GetSubprotocol(), socket.Limits{
		Message: limits.Message, Frame: limits.Frame, MessageTime: limits.MessageTime, WriteTime: limits.WriteTime,
	})
	if err != nil {
		return // without a 101 there was no connection, and nobody hears of its end
	}
	s := &session{hub: h, handoff: handoff, edge: edge, conn: conn, limits: limits, opened: h.c.Now(), done: make(chan struct{})}
	s.active.Store(s.opened.UnixMilli())
	h.c.Journal.Opened(handoff)
	h.add(s)
	end := s.read()
	h.remove(s)
	s.finish(end)
	h.c.Seen(Closed, end.Code)
	if f := (ending{handoff, end}); !s.abandoned.Load() && !h.tell(f) {
		h.owe(f)
	}
}

func (h *Hub) limits(handoff *wsconnv1.Handoff) Limits {
	l, own := h.c.Limits, handoff.GetLimits()
	if n := own.GetMessageBytes(); n > 0 {
		l.Message = int(n)
	}
	if n := own.GetFrameBytes(); n > 0 {
		l.Frame = int(n)
	}
	if n := own.GetIdleMillis(); n > 0 {
		l.Idle = time.Duration(n) * time.Millisecond
	}
	if n := own.GetLifetimeMillis(); n > 0 {
		l.Lifetime = time.Duration(n) * time.Millisecond
	}
	return l
}

func (h *Hub) add(s *session) {
	h.mu.Lock()
	h.sessions[s.id()] = s
	closing := h.closing
	h.mu.Unlock()
	h.open.Add(1)
	h.c.Seen(Opened, 1)
	h.wheel.put(s.id(), s.due())
	if closing {
		s.end(socket.GoingAway, goingAway)
	}
}

func (h *Hub) remove(s *session) {
	h.mu.Lock()
	delete(h.sessions, s.id())
	h.mu.Unlock()
	h.open.Add(-1)
}

func (h *Hub) find(id string) *session {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.sessions[id]
}

const goingAway = "Going away"

// Run looks after the timers until ctx ends. Then it drains: nothing is taken any more, every connection is closed with 1001
// and its end told.
func (h *Hub) Run(ctx context.Context) {
	defer h.cancel()
	ticker := time.NewTicker(h.c.Tick)
	defer ticker.Stop()
	retry := time.NewTicker(retryEvery)
	defer retry.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-ticker.C:
			h.sweep()
		case <-retry.C:
			h.payOff()
		}
	}
	h.drain()
}

// sweep closes what is idle or old.
func (h *Hub) sweep() {
	now := h.c.Now()
	for _, id := range h.wheel.take(now) {
		s := h.find(id)
		switch {
		case s == nil:
		case now.Before(s.due()):
			h.wheel.put(id, s.due())
		default:
			s.end(socket.GoingAway, goingAway)
		}
	}
}

// Answer answers a call of the @connections API. It does not block.
func (h *Hub) Answer(r *wsconnv1.Request) *wsconnv1.Answer {
	s := h.find(r.GetConnectionId())
	if s == nil || !s.belongs(r) || s.ended() {
		return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_GONE}
	}
	switch {
	case r.GetPost() != nil:
		return &wsconnv1.Answer{Outcome: s.push(r.GetPost().GetData())}
	case r.GetDelete() != nil:
		s.end(socket.Normal, "Connection Closed Normally")
		return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_DONE}
	}
	return &wsconnv1.Answer{
		Outcome: wsconnv1.Outcome_OUTCOME_DONE, ConnectedAtUnixMilli: s.handoff.GetConnectedAtUnixMilli(), LastActiveAtUnixMilli: s.active.Load(),
		SourceIp: s.handoff.GetSourceIp(), UserAgent: s.handoff.GetUserAgent(),
	}
}
