package connections

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/natstest"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestIDs(t *testing.T) {
	for range 1000 {
		node := uint16(rand.Uint32())
		id := NewID(node, rand.Uint64())
		if got, ok := NodeOf(id); !ok || got != node || len(id) != 16 || id[15] != '=' || !IsID(id) {
			t.Fatalf("%s: node %d, %v, want %d", id, got, ok, node)
		}
		other := byte('A')
		if id[0] == 'A' {
			other = 'B'
		}
		if _, ok := NodeOf(string(other) + id[1:]); ok {
			t.Errorf("%s with another first letter was given", id)
		}
	}
	for _, id := range []string{"", "x", "TXzPWdnOjoECGjA", "TXzPWdnOjoECGjA==", "TXzPWdn/joECGjA=", "TXzPWdnOjoECGjAxyzw="} {
		if IsID(id) {
			t.Errorf("%q has the shape", id)
		}
	}
	if !IsID("TXzPWdnOjoECGjA=") {
		t.Error("AWS's own id has not the shape")
	}
}

func run(t *testing.T, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

func node(t *testing.T, nc *nats.Conn, takenOver func()) (*Node, func()) {
	n := NewNode(NodeConfig{NATS: nc, TakenOver: takenOver, Answer: func(r *wsconnv1.Request) *wsconnv1.Answer {
		if r.GetGet() != nil {
			return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_DONE, SourceIp: "192.0.2.1"}
		}
		return gone()
	}})
	stop := run(t, n.Run)
	select {
	case <-n.Claimed():
	case <-time.After(20 * time.Second):
		t.Fatal("no number")
	}
	return n, stop
}

func get(id string) *wsconnv1.Request {
	return &wsconnv1.Request{ConnectionId: id, What: &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}}
}

func TestTwoNodesHaveTwoNumbers(t *testing.T) {
	s := natstest.Start(t)
	a, _ := node(t, s.Dial(t), nil)
	b, _ := node(t, s.Dial(t), nil)
	na, _ := a.Number()
	nb, _ := b.Number()
	if na == nb {
		t.Fatalf("both have %d", na)
	}
	c := NewClient(s.Dial(t), nil, nil)
	run(t, c.Run)
	id, _ := b.Mint()
	got, err := c.Ask(t.Context(), get(id))
	if err != nil || got.SourceIp != "192.0.2.1" {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := c.Ask(t.Context(), get("TXzPWdnOjoECGjA=")); err != nil || got.Outcome != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("what never existed: %v, %v", got, err)
	}
}

// TestSilenceIsNotGone: without an answer an asker that has just connected knows nothing; later the missing lease tells.
func TestSilenceIsNotGone(t *testing.T) {
	s := natstest.Start(t)
	n, stop := node(t, s.Dial(t), nil)
	id, _ := n.Mint()
	now := time.Now()
	nc := s.Dial(t)
	c := NewClient(nc, nil, func() time.Time { return now })
	run(t, c.Run)
	stop()
	deadline := time.Now().Add(10 * time.Second)
	for { // until Run has noted the connection
		if _, err := c.Ask(t.Context(), get(id)); !errors.Is(err, ErrUnknown) {
			t.Fatalf("at once: %v", err)
		}
		c.mu.Lock()
		noted := !c.connected.IsZero()
		c.mu.Unlock()
		if noted || time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Millisecond)
	}
	now = now.Add(settled + time.Second)
	if a, err := c.Ask(t.Context(), get(id)); err != nil || a.Outcome != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("later: %v, %v", a, err)
	}
}

// TestALeaseInForceIsNeverGone: a node that is alive and deaf.
func TestALeaseInForceIsNeverGone(t *testing.T) {
	s := natstest.Start(t)
	nc := s.Dial(t)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: bucket, TTL: Lease, LimitMarkerTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "7", []byte("x")); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := NewClient(nc, nil, func() time.Time { return now })
	c.note(now.Add(-time.Hour))
	if _, err := c.Ask(t.Context(), get(NewID(7, 1))); !errors.Is(err, ErrUnknown) {
		t.Errorf("deaf: %v", err)
	}
	deadline := time.Now().Add(3 * Lease)
	for {
		a, err := c.Ask(t.Context(), get(NewID(7, 1)))
		if err == nil && a.Outcome == wsconnv1.Outcome_OUTCOME_GONE {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the lease does not end: %v, %v", a, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func TestJournal(t *testing.T) {
	s := natstest.Start(t)
	n, stop := node(t, s.Dial(t), nil)
	n.Opened(&wsconnv1.Handoff{ConnectionId: "a", Session: []byte("s")})
	n.Closed("a")
	stop() // what is waiting is written before Run returns
	js, err := jetstream.New(s.Dial(t))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), journalStream)
	if err != nil {
		t.Fatal(err)
	}
	m, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	var j wsconnv1.Journal
	if err := proto.Unmarshal(m.Data, &j); err != nil || len(j.Entries) != 2 || string(j.Entries[0].GetOpened().GetSession()) != "s" || j.Entries[1].GetClosed() != "a" {
		t.Errorf("%v, %v", &j, err)
	}
}

// TestANodeThatWasTakenOver finds somebody else under its number after an outage.
func TestANodeThatWasTakenOver(t *testing.T) {
	s := natstest.Start(t)
	taken := make(chan struct{})
	n, _ := node(t, s.Dial(t), func() { close(taken) })
	before, _ := n.Number()
	js, err := jetstream.New(s.Dial(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), bucket)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), keyOf(before), []byte("another")); err != nil {
		t.Fatal(err)
	}
	select {
	case <-taken:
	case <-time.After(4 * renewEvery):
		t.Fatal("it does not notice")
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		if after, ok := n.Number(); ok && after != before {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it gets no new number")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAloneThereIsNobodyElse(t *testing.T) {
	n := NewNode(NodeConfig{})
	run(t, n.Run)
	id, ok := n.Mint()
	if !ok {
		t.Fatal("no id without NATS")
	}
	c := NewClient(nil, nil, nil)
	run(t, c.Run)
	if a, err := c.Ask(t.Context(), get(id)); err != nil || a.Outcome != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("%v, %v", a, err)
	}
}
