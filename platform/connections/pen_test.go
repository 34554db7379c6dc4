package connections

import (
	"context"
	"errors"
	"log/slog"
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
