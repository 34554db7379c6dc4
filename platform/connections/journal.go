package connections

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/limen-gateway/limen/platform/run"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// journalPause lets entries gather: one message holds what happened meanwhile.
	journalPause = 50 * time.Millisecond
	journalRetry = time.Second
	journalBatch = 500
	// journalWaiting bounds what is kept while NATS is away; beyond it the oldest are lost, and with them only the certainty
	// of a $disconnect after a crash.
	journalWaiting = 200_000
	// journalDrain is how long the last entries may take when the node ends.
	journalDrain = 2 * time.Second
)

// journal collects what a node has still to append to its subject of the stream, in order.
type journal struct {
	wake chan struct{}

	mu      sync.Mutex // guards what follows
	waiting []*wsconnv1.JournalEntry
	lost    int
	open    int // connections that opened and whose end was not told
}

func newJournal() *journal { return &journal{wake: make(chan struct{}, 1)} }

// Opened writes down that a connection opened; Closed that its $disconnect has run. Neither waits.
func (n *Node) Opened(h *wsconnv1.Handoff) {
	if n.c.NATS != nil {
		n.journal.add(&wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Opened{Opened: h}}, 1)
	}
}

// Closed is the counterpart of Opened.
func (n *Node) Closed(id string) {
	if n.c.NATS != nil {
		n.journal.add(&wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Closed{Closed: id}}, -1)
	}
}

func (j *journal) add(e *wsconnv1.JournalEntry, open int) {
	j.mu.Lock()
	if len(j.waiting) >= journalWaiting {
		j.waiting = j.waiting[1:]
		j.lost++
	}
	j.waiting = append(j.waiting, e)
	j.open += open
	j.mu.Unlock()
	select {
	case j.wake <- struct{}{}:
	default:
	}
}

func (j *journal) next() []*wsconnv1.JournalEntry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.waiting[:min(len(j.waiting), journalBatch):min(len(j.waiting), journalBatch)]
}

func (j *journal) done(batch []*wsconnv1.JournalEntry) (lost int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	// While it was sent, the oldest may have been dropped.
	for len(batch) > 0 && len(j.waiting) > 0 && batch[0] != j.waiting[0] {
		batch = batch[1:]
	}
	j.waiting = j.waiting[min(len(batch), len(j.waiting)):]
	if len(j.waiting) == 0 {
		j.waiting = nil
	}
	lost, j.lost = j.lost, 0
	return lost
}

// renounce forgets what another node has read in this journal, and of what waits the first entries, which it has heard. It
// returns the connections whose opening was not written yet: nobody else knows of them.
func (j *journal) renounce(heard int) map[string]bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting = j.waiting[min(heard, len(j.waiting)):]
	out := map[string]bool{}
	for _, e := range j.waiting {
		if h := e.GetOpened(); h != nil {
			out[h.GetConnectionId()] = true
		} else {
			delete(out, e.GetClosed())
		}
	}
	j.open = len(out)
	return out
}

// settled reports whether every end was told and written down.
func (j *journal) settled() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.open <= 0 && len(j.waiting) == 0
}

// record appends what happens until ctx ends, then what is waiting.
func (n *Node) record(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-n.Claimed():
	}
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-n.journal.wake:
			run.Pause(ctx, journalPause)
		}
		for ctx.Err() == nil && n.flush(ctx) != nil {
			run.Pause(ctx, journalRetry)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalDrain)
	defer cancel()
	if err := n.conclude(last); err != nil {
		n.c.Log.Warn("the last entries of the journal are not written", "error", err)
	}
}

var errNoNumber = errors.New("connections: the node has no number")

// flush appends all that is waiting.
func (n *Node) flush(ctx context.Context) error {
	for batch := n.journal.next(); len(batch) > 0; batch = n.journal.next() {
		if _, ok := n.Number(); !ok {
			return errNoNumber // without a lease this journal would be taken for a dead node's
		}
		own := n.self()
		err := own.pen.append(ctx, &wsconnv1.Journal{Entries: batch})
		if errors.Is(err, errTaken) {
			n.lose(own)
		}
		if err != nil {
			return err
		}
		if lost := n.journal.done(batch); lost > 0 {
			n.c.Log.Error("entries of the journal were lost while NATS was away", "count", lost)
		}
	}
	return nil
}

// conclude writes what is waiting; a journal without an open connection is needed by nobody any more.
func (n *Node) conclude(ctx context.Context) error {
	if err := n.flush(ctx); err != nil {
		return err
	}
	if own := n.self(); n.journal.settled() && own.pen.written() {
		return own.pen.store.remove(ctx, own.pen.subject, 0)
	}
	return nil
}
