package connections

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/natstest"
	"github.com/limen-gateway/limen/platform/proxytest"
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

func runs(t *testing.T, f func(context.Context) error) (stop func()) {
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

func node(t *testing.T, nc *nats.Conn, takenOver func(func(string) bool)) (*Node, func()) {
	return nodeOf(t, NodeConfig{NATS: nc, TakenOver: takenOver})
}

func nodeOf(t *testing.T, c NodeConfig) (*Node, func()) {
	t.Helper()
	c.Answer = func(r *wsconnv1.Request) *wsconnv1.Answer {
		if r.GetGet() != nil {
			return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_DONE, SourceIp: "192.0.2.1"}
		}
		return gone()
	}
	n := NewNode(c)
	stop := runs(t, n.Run)
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
	runs(t, c.Run)
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
	runs(t, c.Run)
	stop()
	deadline := time.Now().Add(10 * time.Second)
	for { // until Run has noted the connection
		if _, err := c.Ask(t.Context(), get(id)); !errors.Is(err, ErrUnknown) {
			t.Fatalf("at once: %v", err)
		}
		c.link.mu.Lock()
		noted := !c.link.since.IsZero()
		c.link.mu.Unlock()
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
	kv, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: NodeBucket, TTL: Lease, LimitMarkerTTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(t.Context(), "7", []byte("x")); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := NewClient(nc, nil, func() time.Time { return now })
	c.link.note(now.Add(-time.Hour))
	if _, err := c.Ask(t.Context(), get(NewID(7, 1))); !errors.Is(err, ErrUnknown) {
		t.Errorf("deaf: %v", err)
	}
	eventually(t, "the lease does not end", func() bool {
		_, err := kv.Get(t.Context(), "7")
		return errors.Is(err, jetstream.ErrKeyNotFound)
	})
	if a, err := c.Ask(t.Context(), get(NewID(7, 1))); !errors.Is(err, ErrUnknown) {
		t.Errorf("it has just ended, as all do when NATS has no majority: %v, %v", a, err)
	}
	now = time.Now().Add(comesBackWithin)
	if a, err := c.Ask(t.Context(), get(NewID(7, 1))); err != nil || a.Outcome != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("its node did not come back: %v, %v", a, err)
	}
}

// journalOf reads what stands in the stream for an instance.
func journalOf(t *testing.T, nc *nats.Conn, instance string) (out []*wsconnv1.Journal) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), JournalStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	for next := uint64(1); ; {
		m, err := stream.GetMsg(t.Context(), next, jetstream.WithGetMsgSubject(JournalSubject+instance))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		var j wsconnv1.Journal
		if err := proto.Unmarshal(m.Data, &j); err != nil {
			t.Fatal(err)
		}
		out, next = append(out, &j), m.Sequence+1
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

func opened(id string) *wsconnv1.Handoff {
	return &wsconnv1.Handoff{ConnectionId: id, Session: []byte("s" + id)}
}

// TestJournal: what is open when a node ends stays in the stream; when nothing is, neither does the journal.
func TestJournal(t *testing.T) {
	s := natstest.Start(t)
	n, stop := node(t, s.Dial(t), nil)
	instance := n.self().instance
	n.Opened(opened("a"))
	n.Opened(opened("b"))
	n.Closed("a")
	stop() // what is waiting is written before Run returns
	got := journalOf(t, s.Dial(t), instance)
	if len(got) != 1 || len(got[0].Entries) != 3 || got[0].Writer != instance || string(got[0].Entries[0].GetOpened().GetSession()) != "sa" || got[0].Entries[2].GetClosed() != "a" {
		t.Errorf("%v", got)
	}
	n, stop = node(t, s.Dial(t), nil)
	instance = n.self().instance
	n.Opened(opened("a"))
	n.Closed("a")
	stop()
	if got := journalOf(t, s.Dial(t), instance); len(got) > 0 {
		t.Errorf("all is told, and still there is %v", got)
	}
}

// clock is a clock that a test moves.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }

// heir is a node that tells the ends of others, at most so many.
func heir(t *testing.T, s *natstest.Server, c *clock, most int) (told chan string, stop func()) {
	told = make(chan string, 10000)
	var left atomic.Int64
	left.Store(int64(most))
	_, stop = nodeOf(t, NodeConfig{NATS: s.Dial(t), Now: c.now, Lost: func(_ context.Context, h *wsconnv1.Handoff) bool {
		if left.Add(-1) < 0 {
			return false
		}
		told <- h.GetConnectionId() + " " + string(h.GetSession())
		return true
	}})
	return told, stop
}

// die is a node that opens connections, some of which close, and is gone without a word.
func die(t *testing.T, s *natstest.Server, connections int) (instance string) {
	t.Helper()
	nc := s.Dial(t)
	n, stop := node(t, nc, nil)
	for i := range connections {
		n.Opened(opened(fmt.Sprintf("%04d", i)))
	}
	n.Opened(opened("closed"))
	n.Closed("closed")
	instance = n.self().instance
	written := func() (entries int) {
		for _, j := range journalOf(t, s.Conn, instance) {
			entries += len(j.Entries)
		}
		return entries
	}
	eventually(t, "the journal is not written", func() bool { return written() == connections+2 })
	nc.Close()
	stop()
	return instance
}

// TestTheEndsOfADeadNodeAreToldOnce by one survivor, after the lease is gone; what it leaves when it ends itself, one of two
// others tells.
func TestTheEndsOfADeadNodeAreToldOnce(t *testing.T) {
	s := natstest.Start(t)
	var c clock
	const connections = 1000
	dead := die(t, s, connections)
	c.advance(settled + time.Second) // before the survivors connect: they must wait themselves
	one, stop := heir(t, s, &c, 300)
	eventually(t, "the lease does not end", func() bool {
		n := NewNode(NodeConfig{NATS: s.Conn})
		n.store.js, _ = jetstream.New(s.Conn)
		alive, err := n.alive(t.Context())
		return err == nil && !alive[dead]
	})
	if len(one) > 0 {
		t.Fatal("a node that has just connected believes that a lease is gone")
	}
	c.advance(settled + time.Second)
	eventually(t, "nobody takes over", func() bool { return len(one) == 300 })
	stop()
	two, _ := heir(t, s, &c, connections)
	three, _ := heir(t, s, &c, connections)
	c.advance(settled + time.Second)
	eventually(t, "the rest is not told", func() bool {
		last := journalOf(t, s.Conn, dead)
		return len(last) == 1 && last[0].Finished
	})
	seen := map[string]int{}
	for _, told := range []chan string{one, two, three} {
		for len(told) > 0 {
			seen[<-told]++
		}
	}
	// The 300 of which 256 were written down are told at least once.
	for i := range connections {
		id := fmt.Sprintf("%04d", i)
		if n := seen[id+" s"+id]; n < 1 || n > 2 || n == 2 && (i < heirBatch || i >= 2*heirBatch) {
			t.Errorf("the end of %s was told %d times", id, n)
		}
	}
	if len(seen) != connections {
		t.Errorf("%d ends are told", len(seen))
	}
}

// TestANodeThatWasTakenOver finds somebody else under its number after an outage.
func TestANodeThatWasTakenOver(t *testing.T) {
	s := natstest.Start(t)
	taken := make(chan struct{})
	n, _ := node(t, s.Dial(t), func(func(string) bool) { close(taken) })
	before, _ := n.Number()
	js, err := jetstream.New(s.Dial(t))
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), NodeBucket)
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

// TestANodeThatWasTakenForDead comes back after an outage and finds its journal in other hands: its connections are lost,
// and the ends of those that were written down are told already.
func TestANodeThatWasTakenForDead(t *testing.T) {
	s := natstest.Start(t)
	var c clock
	told, _ := heir(t, s, &c, 10)
	// The node's own way to NATS, which fails.
	way := proxytest.New(t, func() (string, string) { return "tcp", s.Proxy.Addr() })
	nc, err := nats.Connect("nats://"+way.Addr(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.ReconnectJitter(0, 0), nats.IgnoreDiscoveredServers())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	lost := make(chan func(string) bool, 1)
	n, _ := node(t, nc, func(told func(string) bool) { lost <- told })
	before := n.self().instance
	n.Opened(opened("known"))
	eventually(t, "the journal is not written", func() bool { return len(journalOf(t, s.Conn, before)) == 1 })
	way.Cut()
	n.Opened(opened("unknown"))
	c.advance(settled + time.Second)
	select {
	case got := <-told:
		if got != "known sknown" {
			t.Errorf("told is the end of %s", got)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("nobody takes over")
	}
	way.Restore(t)
	select {
	case told := <-lost:
		if !told("known") || told("unknown") {
			t.Errorf("told: known %v, unknown %v", told("known"), told("unknown"))
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not notice")
	}
	n.Closed("unknown")
	eventually(t, "the node does not go on as another", func() bool {
		after := n.self().instance
		return after != before && len(journalOf(t, s.Conn, after)) > 0
	})
}

func TestAloneThereIsNobodyElse(t *testing.T) {
	n := NewNode(NodeConfig{})
	runs(t, n.Run)
	id, ok := n.Mint()
	if !ok {
		t.Fatal("no id without NATS")
	}
	c := NewClient(nil, nil, nil)
	runs(t, c.Run)
	if a, err := c.Ask(t.Context(), get(id)); err != nil || a.Outcome != wsconnv1.Outcome_OUTCOME_GONE {
		t.Errorf("%v, %v", a, err)
	}
}

// nodesBecome waits until a directory knows the wanted nodes.
func nodesBecome(t *testing.T, d *Directory, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !slices.Equal(d.Nodes(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%v, want %v", d.Nodes(), want)
		}
	}
}

// TestDirectory: edges learn where nodes take connections, and that they do no more: at once when a node says so, after its
// lease when it is dead. What older nodes write into the bucket is no address.
func TestDirectory(t *testing.T) {
	s := natstest.Start(t)
	d := NewDirectory(s.Dial(t), nil)
	runs(t, d.Run)
	announced := func(nc *nats.Conn, address string) (*Node, func()) {
		n := NewNode(NodeConfig{NATS: nc, Answer: func(*wsconnv1.Request) *wsconnv1.Answer { return gone() }})
		n.Announce(address)
		return n, runs(t, n.Run)
	}
	node(t, s.Dial(t), nil) // takes no relays
	one, _ := announced(s.Dial(t), "192.0.2.1:9102")
	nodesBecome(t, d, "192.0.2.1:9102")
	_, stopTwo := announced(s.Dial(t), "192.0.2.2:9102")
	lonely := s.Dial(t)
	announced(lonely, "192.0.2.3:9102")
	nodesBecome(t, d, "192.0.2.1:9102", "192.0.2.2:9102", "192.0.2.3:9102")
	one.Withdraw()
	nodesBecome(t, d, "192.0.2.2:9102", "192.0.2.3:9102")
	id, _ := one.Mint()
	if _, ok := NodeOf(id); !ok {
		t.Error("a node that takes no more connections has lost its number")
	}
	lonely.Close()
	nodesBecome(t, d, "192.0.2.2:9102")
	stopTwo()
	nodesBecome(t, d)
}

// TestDirectoryAfterAnOutage: leases end while NATS is away; until the nodes have said that they are there, the known ones
// are tried.
func TestDirectoryAfterAnOutage(t *testing.T) {
	s := natstest.Start(t)
	var c clock
	d := NewDirectory(s.Dial(t), nil)
	d.link.now = c.now
	d.note(entry{key: relayKey + "1", value: "192.0.2.1:9102", operation: jetstream.KeyValuePut})
	d.note(entry{key: relayKey + "1", operation: jetstream.KeyValuePurge})
	if got := d.Nodes(); !slices.Equal(got, []string{"192.0.2.1:9102"}) {
		t.Errorf("right after the outage: %v", got)
	}
	d.link.note(c.now().Add(-time.Hour))
	if got := d.Nodes(); !slices.Equal(got, []string{"192.0.2.1:9102"}) {
		t.Errorf("right after one of the majority, which leaves the connection: %v", got)
	}
	c.advance(comesBackWithin + time.Second)
	if got := d.Nodes(); len(got) > 0 {
		t.Errorf("long after it: %v", got)
	}
}

// entry is a change of the bucket.
type entry struct {
	jetstream.KeyValueEntry
	key, value string
	operation  jetstream.KeyValueOp
}

func (e entry) Key() string                     { return e.key }
func (e entry) Value() []byte                   { return []byte(e.value) }
func (e entry) Operation() jetstream.KeyValueOp { return e.operation }

// TestNobodyIsDeadWhileNoLeaseIsRenewed: a node whose own lease cannot be renewed believes of nobody that it is dead, though its
// connection to NATS stands all the while.
func TestNobodyIsDeadWhileNoLeaseIsRenewed(t *testing.T) {
	s := natstest.Start(t)
	var c clock
	nc := s.Dial(t)
	n, _ := nodeOf(t, NodeConfig{NATS: nc, Now: c.now})
	eventually(t, "the connection is not noted", func() bool { c.advance(settled); return n.link.settled() })
	s.LoseJetStream(t)
	eventually(t, "it believes what it knew before", func() bool { return !n.link.settled() })
	if !nc.IsConnected() || nc.Stats().Reconnects != 0 {
		t.Error("the connection did not stand: nothing is shown")
	}
}
