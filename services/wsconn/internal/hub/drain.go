package hub

import (
	"slices"
	"time"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/wsconn/internal/socket"
)

const (
	// retryEvery is how often ends are told again that no edge took.
	retryEvery = 2 * time.Second
	// drainStep is the longest pause between two close frames of a drain: few connections need no window.
	drainStep = 10 * time.Millisecond
)

// ending is an end that an edge has to hear of.
type ending struct {
	handoff *wsconnv1.Handoff
	end     *socket.Closed
}

// tell reports whether an edge took the end.
func (h *Hub) tell(f ending) bool {
	if !h.c.Dispatch.Disconnect(h.ctx, f.handoff, f.end.Code, f.end.Reason) {
		return false
	}
	h.c.Journal.Closed(f.handoff.GetConnectionId())
	return true
}

// owe keeps an end for later. Without an edge no connection opens: there are never more of them than connections were.
func (h *Hub) owe(f ...ending) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.owed = append(h.owed, f...)
}

// payOff tells what is owed, aside from the timers.
func (h *Hub) payOff() {
	h.mu.Lock()
	owed := h.owed
	h.owed = nil
	h.mu.Unlock()
	if len(owed) == 0 {
		return
	}
	h.group.Go(func() {
		for i, f := range owed {
			if !h.tell(f) {
				h.owe(owed[i:]...)
				return
			}
		}
	})
}

// Draining reports whether connections are taken no more.
func (h *Hub) Draining() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.closing
}

// drain closes every connection, one after the other, so that their clients do not all come back at once elsewhere.
func (h *Hub) drain() {
	h.mu.Lock()
	h.closing = true
	sessions := h.list()
	h.mu.Unlock()
	timeout := time.AfterFunc(h.c.DrainTimeout, h.cancel)
	defer timeout.Stop()
	h.goAway(sessions)
	h.group.Wait()
	h.payOff()
	h.group.Wait()
}

// goAway closes sessions with 1001, spread over the window.
func (h *Hub) goAway(sessions []*session) {
	if len(sessions) == 0 {
		return
	}
	step := min(h.c.DrainWindow/time.Duration(len(sessions)), drainStep)
	begin := time.Now()
	for i, s := range sessions {
		h.rest(time.Until(begin.Add(time.Duration(i) * step)))
		s.end(socket.GoingAway, goingAway)
	}
}

// Leave closes the connections that an edge relays, which is about to end. The edge says so again while it has any. It does
// not block.
func (h *Hub) Leave(edge uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closing || h.leaving[edge] {
		return
	}
	sessions := slices.DeleteFunc(h.list(), func(s *session) bool { return s.edge != edge })
	h.leaving[edge] = true
	h.group.Go(func() {
		h.goAway(sessions)
		h.mu.Lock()
		delete(h.leaving, edge)
		h.mu.Unlock()
	})
}

func (h *Hub) rest(d time.Duration) {
	if d < time.Millisecond {
		return // timers are not finer
	}
	select {
	case <-h.ctx.Done():
	case <-time.After(d):
	}
}

// list needs mu.
func (h *Hub) list() []*session {
	out := make([]*session, 0, len(h.sessions))
	for _, s := range h.sessions {
		out = append(out, s)
	}
	return out
}

// Abandon closes every connection with 1012, since it cannot be reached any more. told reports that another node has told
// the end of a connection; then this one does not.
func (h *Hub) Abandon(told func(id string) bool) {
	h.mu.Lock()
	sessions := h.list()
	var owed []ending
	for _, f := range h.owed {
		if !told(f.handoff.GetConnectionId()) {
			owed = append(owed, f)
		}
	}
	h.owed = owed
	h.mu.Unlock()
	for _, s := range sessions {
		s.abandoned.Store(told(s.id()))
		s.end(socket.Restart, "Service restart")
	}
}
