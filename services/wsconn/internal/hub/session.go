package hub

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/wsconn/internal/dispatch"
	"github.com/limen-gateway/limen/services/wsconn/internal/socket"
)

// Socket is what a session needs of a WebSocket: little enough that one could rest without a goroutine and be read only when
// bytes are there.
type Socket interface {
	Read() (string, error)
	Write(text []byte) error
	Interrupt()
	Close(*socket.Closed) (linger func())
}

// session is one open connection.
type session struct {
	hub     *Hub
	handoff *wsconnv1.Handoff
	edge    uint64 // that relays it; 0 is none
	conn    Socket
	limits  Limits
	opened  time.Time
	active  atomic.Int64 // last message in either direction, Unix milliseconds
	lane    dispatch.Lane
	cause   atomic.Pointer[socket.Closed] // why the connection ends; the first counts
	done    chan struct{}                 // closed with cause
	// abandoned connections end without a word: another node has told their end.
	abandoned atomic.Bool

	// mu guards what follows.
	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	writing chan struct{} // closed when the writer has emptied the queue; nil without a writer
	closed  bool
}

func (s *session) id() string { return s.handoff.GetConnectionId() }

// Handoff, Lane, Reply and Withdrawn are what dispatch sees.
func (s *session) Handoff() *wsconnv1.Handoff { return s.handoff }

// Done is closed when the connection is to end.
func (s *session) Done() <-chan struct{} { return s.done }

// Lane is used by the reading goroutine.
func (s *session) Lane() *dispatch.Lane { return &s.lane }

// Reply sends a frame, from this goroutine when no other is sending; to a client whose queue is full, or that is gone, it is
// lost. Queue does not wait.
func (s *session) Reply(frame []byte) {
	if _, mine := s.enqueue(frame, false); mine {
		s.write()
	}
}

// Queue is Reply by another goroutine.
func (s *session) Queue(frame []byte) { s.push(frame) }

// Withdrawn ends the connection of an API that exists no more.
func (s *session) Withdrawn() { s.end(socket.GoingAway, goingAway) }

// belongs reports whether the asker names the connection's own account, API and stage.
func (s *session) belongs(r *wsconnv1.Request) bool {
	same := func(asked, own string) bool { return asked == "" || asked == own }
	h := s.handoff
	return r.GetAccount() == h.GetAccount() && same(r.GetApiId(), h.GetApiId()) && same(r.GetStage(), h.GetStage())
}

// due is when the connection must be looked at again, and closed when nothing has happened meanwhile.
func (s *session) due() time.Time {
	idle := time.UnixMilli(s.active.Load()).Add(s.limits.Idle)
	if end := s.opened.Add(s.limits.Lifetime); end.Before(idle) {
		return end
	}
	return idle
}

func (s *session) touch() { s.active.Store(s.hub.c.Now().UnixMilli()) }

// read hands messages on until the connection ends, and returns why it did.
func (s *session) read() *socket.Closed {
	for {
		text, err := s.conn.Read()
		if cause := s.cause.Load(); cause != nil {
			return cause
		}
		if err != nil {
			var closed *socket.Closed
			if !errors.As(err, &closed) {
				closed = &socket.Closed{Code: socket.Abnormal, Told: true}
			}
			s.decide(closed)
			return s.cause.Load()
		}
		s.touch()
		s.hub.c.Seen(Received, 1)
		s.hub.c.Dispatch.Message(s.hub.ctx, s, text)
	}
}

// end makes the reading goroutine close the connection.
func (s *session) end(code int, reason string) {
	if s.decide(&socket.Closed{Code: code, Reason: reason}) {
		s.conn.Interrupt()
	}
}

// decide says why the connection ends, unless that was said before.
func (s *session) decide(why *socket.Closed) bool {
	if !s.cause.CompareAndSwap(nil, why) {
		return false
	}
	close(s.done)
	return true
}

func (s *session) ended() bool { return s.cause.Load() != nil }

// push queues a message and sees to it that somebody sends it.
func (s *session) push(text []byte) wsconnv1.Outcome {
	outcome, _ := s.enqueue(text, true)
	return outcome
}

// enqueue queues a message; mine tells that nobody sends and the caller must, unless another is to be started for that.
func (s *session) enqueue(text []byte, start bool) (outcome wsconnv1.Outcome, mine bool) {
	if len(text) > s.limits.Message {
		return wsconnv1.Outcome_OUTCOME_TOO_BIG, false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return wsconnv1.Outcome_OUTCOME_GONE, false
	case len(s.queue) >= s.limits.QueueMessages, s.bytes+len(text) > s.limits.QueueBytes && s.bytes > 0:
		s.hub.c.Seen(Full, 1)
		return wsconnv1.Outcome_OUTCOME_FULL, false
	}
	s.queue = append(s.queue, text)
	s.bytes += len(text)
	s.touch()
	s.hub.c.Seen(Pushed, 1)
	if s.writing != nil {
		return wsconnv1.Outcome_OUTCOME_DONE, false
	}
	s.writing = make(chan struct{})
	if start {
		s.hub.group.Go(s.write)
	}
	return wsconnv1.Outcome_OUTCOME_DONE, !start
}

// write sends what is queued and ends when nothing is.
func (s *session) write() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 {
			close(s.writing)
			s.writing, s.queue = nil, nil
			s.mu.Unlock()
			return
		}
		text := s.queue[0]
		s.mu.Unlock()
		err := s.conn.Write(text)
		s.mu.Lock()
		// It counts until it is sent: what the queue bounds is memory.
		if len(s.queue) > 0 {
			s.queue[0] = nil
			s.queue = s.queue[1:]
			s.bytes -= len(text)
		}
		if err != nil {
			s.closed, s.queue, s.bytes = true, nil, 0
		}
		s.mu.Unlock()
		if err != nil {
			s.lost()
			continue
		}
		s.hub.c.Seen(Sent, 1)
	}
}

// lost ends a connection that cannot be written to.
func (s *session) lost() {
	if s.decide(&socket.Closed{Code: socket.Abnormal, Told: true}) {
		s.conn.Interrupt()
	}
}

// farewell is how long what is queued may take before the close frame of this side.
const farewell = 2 * time.Second

// finish closes the socket. What was handed over before this side decided to close is sent first.
func (s *session) finish(end *socket.Closed) {
	s.mu.Lock()
	s.closed = true
	if end.Told {
		s.queue, s.bytes = nil, 0
	}
	writing := s.writing
	s.mu.Unlock()
	if writing != nil && !end.Told {
		select {
		case <-writing:
		case <-time.After(farewell):
		}
	}
	s.hub.group.Go(s.conn.Close(end))
}
