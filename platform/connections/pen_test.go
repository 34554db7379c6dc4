package connections

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/limen-gateway/limen/platform/natstest"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// TestPen_heard: a message arrives and its acknowledgement does not; who has lost the journal learns that its heir has read
// it, and one that did not arrive is not counted.
func TestPen_heard(t *testing.T) {
	js, err := jetstream.New(natstest.Start(t).Conn)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{js: js}
	opened := func(id string) *wsconnv1.JournalEntry {
		return &wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Opened{Opened: &wsconnv1.Handoff{ConnectionId: id}}}
	}
	for name, acknowledged := range map[string]bool{"lost": false, "seen": true} {
		t.Run(name, func(t *testing.T) {
			p := &pen{store: s, subject: JournalSubject + name, writer: name}
			if err := p.append(t.Context(), &wsconnv1.Journal{Entries: []*wsconnv1.JournalEntry{opened("a"), opened("b")}}); err != nil {
				t.Fatal(err)
			}
			want := 0
			if !acknowledged {
				p.seen, want = 0, 2
			}
			n := &Node{store: s, c: NodeConfig{Lost: func(_ context.Context, _ *wsconnv1.Handoff) bool { return true }, Log: slog.New(slog.DiscardHandler)}}
			if done, err := n.inheritOne(t.Context(), &identity{instance: "heir"}, name, nil); !done || err != nil {
				t.Fatal(done, err)
			}
			if err := p.append(t.Context(), &wsconnv1.Journal{Entries: []*wsconnv1.JournalEntry{opened("c")}}); !errors.Is(err, errTaken) || p.heard() != want {
				t.Errorf("%v, %d heard, want %d", err, p.heard(), want)
			}
			j := newJournal()
			for _, id := range []string{"a", "b", "c"} {
				j.add(opened(id), 1)
			}
			if left := j.renounce(p.heard()); len(left) != 3-want || !left["c"] {
				t.Errorf("left: %v", left)
			}
		})
	}
}

// TestStore_open: the first end waits for the whole journal, which must not be read with a question for each message.
func TestStore_open(t *testing.T) {
	nc := natstest.Start(t).Conn
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	const messages = 1000
	p := &pen{store: &store{js: js}, subject: JournalSubject + "dead", writer: "dead"}
	other := &pen{store: p.store, subject: JournalSubject + "other", writer: "other"}
	for i := range messages {
		e := &wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Opened{Opened: &wsconnv1.Handoff{ConnectionId: strconv.Itoa(i)}}}
		if i%2 > 0 {
			e.What = &wsconnv1.JournalEntry_Closed{Closed: strconv.Itoa(i - 1)}
		}
		if i == messages-1 {
			e.What = &wsconnv1.JournalEntry_Closed{Closed: "0"}
		}
		for _, p := range []*pen{p, other} {
			if err := p.append(t.Context(), &wsconnv1.Journal{Entries: []*wsconnv1.JournalEntry{e}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	before := nc.Stats().OutMsgs
	open, err := p.store.open(t.Context(), p.subject, p.seen)
	if err != nil || len(open) != 1 || open[strconv.Itoa(messages-2)] == nil {
		t.Errorf("%v, %v", open, err)
	}
	if asked := nc.Stats().OutMsgs - before; asked > messages/10 {
		t.Errorf("%d questions for %d messages", asked, messages)
	}
}

// TestStore_open_gone: a journal that its node concludes meanwhile is not waited for.
func TestStore_open_gone(t *testing.T) {
	js, err := jetstream.New(natstest.Start(t).Conn)
	if err != nil {
		t.Fatal(err)
	}
	s := &store{js: js}
	if open, err := s.open(t.Context(), JournalSubject+"gone", 1); len(open) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, %v", open, err)
	}
}
