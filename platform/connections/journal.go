package connections

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	journalStream  = "limen_wsconn_journal"
	journalSubject = "ws.journal."
	// journalAge is longer than any connection lives.
	journalAge = 3 * time.Hour
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

// journal collects entries and appends them to the node's subject of the stream, in order.
type journal struct {
	wake chan struct{}

	mu      sync.Mutex
	waiting []*wsconnv1.JournalEntry
	lost    int
}

func newJournal() *journal { return &journal{wake: make(chan struct{}, 1)} }

// Opened writes down that a connection opened; Closed that its $disconnect has run. Neither waits.
func (n *Node) Opened(h *wsconnv1.Handoff) {
	n.journal.add(&wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Opened{Opened: h}}, n.c.NATS != nil)
}

// Closed is the counterpart of Opened.
func (n *Node) Closed(id string) {
	n.journal.add(&wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Closed{Closed: id}}, n.c.NATS != nil)
}

func (j *journal) add(e *wsconnv1.JournalEntry, kept bool) {
	if !kept {
		return
	}
	j.mu.Lock()
	if len(j.waiting) >= journalWaiting {
		j.waiting = j.waiting[1:]
		j.lost++
	}
	j.waiting = append(j.waiting, e)
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

// run appends until ctx ends, then what is waiting.
func (j *journal) run(ctx context.Context, js jetstream.JetStream, n *Node) {
	select {
	case <-ctx.Done():
		return
	case <-n.Claimed():
	}
	made := false
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-j.wake:
			pause(ctx, journalPause)
		}
		for ctx.Err() == nil && j.flush(ctx, js, n, &made) != nil {
			pause(ctx, journalRetry)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalDrain)
	defer cancel()
	if err := j.flush(last, js, n, &made); err != nil {
		n.c.Log.Warn("the last entries of the journal are not written", "error", err)
	}
}

// flush appends all that is waiting.
func (j *journal) flush(ctx context.Context, js jetstream.JetStream, n *Node, made *bool) error {
	for batch := j.next(); len(batch) > 0; batch = j.next() {
		if err := j.append(ctx, js, n, made, batch); err != nil {
			return err
		}
		if lost := j.done(batch); lost > 0 {
			n.c.Log.Error("entries of the journal were lost while NATS was away", "count", lost)
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

func (j *journal) append(ctx context.Context, js jetstream.JetStream, n *Node, made *bool, batch []*wsconnv1.JournalEntry) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if !*made {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: journalStream, Description: "WebSocket connections opened and closed, by node", Subjects: []string{journalSubject + ">"},
			MaxAge: journalAge, Storage: jetstream.FileStorage,
		})
		if err != nil {
			return err
		}
		*made = true
	}
	data, err := proto.Marshal(&wsconnv1.Journal{Entries: batch})
	if err != nil {
		return err
	}
	// The subject names the instance, not the number: a number passes on.
	_, err = js.Publish(ctx, journalSubject+n.instance, data)
	return err
}
