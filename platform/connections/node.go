package connections

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// renewEvery leaves two more tries before the lease ends.
const renewEvery = Lease / 3

// NodeConfig is what a node is made of.
type NodeConfig struct {
	// NATS keeps the lease and brings requests; without it the node has the number 0 and only this process reaches it.
	NATS *nats.Conn
	// Replicas is how many members of NATS keep leases and journals; 0 is one.
	Replicas int
	// Answer answers a request; it must not block.
	Answer func(*wsconnv1.Request) *wsconnv1.Answer
	// TakenOver is called when the node finds after an outage that others took it for dead: no connection that it has can be
	// reached any more, and all must be closed. told reports that another node has told the end of a connection.
	TakenOver func(told func(id string) bool)
	// Lost tells the end of a connection of another node, which died, and reports whether somebody heard it. It may be called
	// side by side. Without it this node takes over nothing.
	Lost func(context.Context, *wsconnv1.Handoff) bool
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	Log *slog.Logger
}

// Node is the place of one owner of sockets: its number, its lease, its answers, its journal. It is safe for concurrent use.
type Node struct {
	c       NodeConfig
	number  atomic.Int32 // -1 while there is none
	claimed chan struct{}
	once    sync.Once
	journal *journal
	link    *link
	store   *store

	mu  sync.Mutex // guards own
	own *identity

	relayMu sync.Mutex // guards relay; held while it is written, so that nothing follows what takes it back
	relay   string
}

// identity is under what name a node has its lease and its journal. Whoever was taken for dead comes back as another.
type identity struct {
	instance string
	pen      *pen
}

func newIdentity(s *store) *identity {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	instance := hex.EncodeToString(b[:])
	return &identity{instance, &pen{store: s, subject: JournalSubject + instance, writer: instance}}
}

// NewNode makes a node that does nothing yet.
func NewNode(c NodeConfig) *Node {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	n := &Node{c: c, claimed: make(chan struct{}), journal: newJournal(), link: newLink(c.NATS, c.Now), store: &store{replicas: c.Replicas}}
	n.own = newIdentity(n.store)
	n.number.Store(-1)
	if c.NATS == nil {
		n.claim(0)
	}
	return n
}

// Announce says where edges in other processes may hand over connections: from the moment that the node has a number until
// Withdraw. It is called before Run.
func (n *Node) Announce(address string) {
	n.relayMu.Lock()
	defer n.relayMu.Unlock()
	n.relay = address
}

// Withdraw takes that back: no edge brings new connections. The node stays reachable for those that it has.
func (n *Node) Withdraw() {
	n.relayMu.Lock()
	defer n.relayMu.Unlock()
	if n.relay == "" || n.c.NATS == nil {
		return
	}
	n.relay = ""
	number, ok := n.Number()
	if !ok || !n.c.NATS.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), renewEvery)
	defer cancel()
	kv, err := n.store.js.KeyValue(ctx, NodeBucket)
	if err == nil {
		err = kv.Delete(ctx, relayKey+keyOf(number))
	}
	if err != nil {
		n.c.Log.Warn("edges try this node until its lease ends", "error", err)
	}
}

// announce renews what Announce has said.
func (n *Node) announce(ctx context.Context, l *lease) error {
	n.relayMu.Lock()
	defer n.relayMu.Unlock()
	if n.relay == "" {
		return nil
	}
	_, err := l.kv.Put(ctx, relayKey+keyOf(l.number), []byte(n.relay))
	return err
}

func (n *Node) claim(number uint16) {
	n.number.Store(int32(number))
	n.once.Do(func() { close(n.claimed) })
}

// Claimed is closed when the node has a number.
func (n *Node) Claimed() <-chan struct{} { return n.claimed }

// Number is the node's number; ok is false while it has none and may not give ids.
func (n *Node) Number() (number uint16, ok bool) {
	v := n.number.Load()
	return uint16(v), v >= 0
}

func (n *Node) self() *identity {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.own
}

// Mint makes the id of a new connection.
func (n *Node) Mint() (id string, ok bool) {
	number, ok := n.Number()
	if !ok {
		return "", false
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	return NewID(number, binary.LittleEndian.Uint64(b[:])), true
}

// Run keeps the lease, answers, writes the journal and takes over those of dead nodes, until ctx ends; then it gives the
// number back.
func (n *Node) Run(ctx context.Context) error {
	if n.c.NATS == nil {
		<-ctx.Done()
		return nil
	}
	js, err := jetstream.New(n.c.NATS)
	if err != nil {
		return err
	}
	n.store.js = js
	var l lease
	var wg sync.WaitGroup
	wg.Go(func() { n.link.run(ctx) })
	wg.Go(func() { n.record(ctx) })
	wg.Go(func() { n.inherit(ctx) })
	wg.Go(func() { n.keep(ctx, js, &l) })
	wg.Wait()
	n.release(&l) // after the last entry: a journal without a lease is taken over
	return nil
}

// lease is the lease in force.
type lease struct {
	kv       jetstream.KeyValue
	number   uint16
	revision uint64 // 0: none
	sub      *nats.Subscription
	// lapsed leases ended for a while: until the journal proves otherwise, the node may have been taken over.
	lapsed bool
}

func (n *Node) keep(ctx context.Context, js jetstream.JetStream, l *lease) {
	for {
		if err := n.step(ctx, js, l); err != nil && ctx.Err() == nil {
			// The members of NATS that are left keep the connection, but renew nobody's lease.
			n.link.restart()
			n.c.Log.Warn("the node's lease is not renewed; its sockets stay open", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(renewEvery):
		}
	}
}

// step makes or renews the lease.
func (n *Node) step(ctx context.Context, js jetstream.JetStream, l *lease) error {
	ctx, cancel := context.WithTimeout(ctx, renewEvery)
	defer cancel()
	if l.kv == nil {
		kv, err := js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
			// Without the marker nobody who watches would see a lease end.
			Bucket: NodeBucket, Description: "Nodes that own WebSocket connections", TTL: Lease, LimitMarkerTTL: time.Minute, History: 1, Replicas: n.c.Replicas,
		})
		if err != nil {
			return err
		}
		l.kv = kv
	}
	if _, ok := n.Number(); !ok {
		return n.acquire(ctx, l)
	}
	if err := n.renew(ctx, l); err != nil {
		return err
	}
	if !l.lapsed {
		return n.announce(ctx, l)
	}
	own := n.self()
	err := own.pen.confirm(ctx)
	if errors.Is(err, errTaken) {
		n.lose(own)
		return n.acquire(ctx, l)
	}
	l.lapsed = err != nil
	if err != nil {
		return err
	}
	return n.announce(ctx, l)
}

func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// renew renews the lease. When its revision is no longer the newest, it ended during an outage and can be had back, or an
// update arrived whose answer did not, or somebody else has the number now.
func (n *Node) renew(ctx context.Context, l *lease) error {
	key, instance := keyOf(l.number), []byte(n.self().instance)
	revision, err := l.kv.Update(ctx, key, instance, l.revision)
	if !isConflict(err) {
		l.revision = cmp.Or(revision, l.revision)
		return err // an error says nothing; the sockets stay
	}
	l.lapsed = true
	if revision, err = l.kv.Create(ctx, key, instance); !isConflict(err) {
		l.revision = cmp.Or(revision, l.revision)
		return err
	}
	entry, err := l.kv.Get(ctx, key)
	if err != nil {
		return err
	}
	if string(entry.Value()) == string(instance) {
		l.revision = entry.Revision()
		return nil
	}
	n.c.Log.Error("the node's number went to another during an outage; its connections are closed", "node", l.number)
	l.revision = 0
	own := n.self()
	switch err := own.pen.confirm(ctx); {
	case errors.Is(err, errTaken):
		n.lose(own)
	case err != nil:
		return err
	default: // the ends are this node's to tell
		n.number.Store(-1)
		n.takenOver(func(string) bool { return false })
	}
	return n.acquire(ctx, l)
}

// lose gives up an identity whose journal another node has taken over.
func (n *Node) lose(own *identity) {
	n.mu.Lock()
	if n.own != own {
		n.mu.Unlock()
		return // the other goroutine was here
	}
	n.own = newIdentity(n.store)
	n.number.Store(-1)
	n.mu.Unlock()
	n.c.Log.Error("the node was taken for dead during an outage; its connections are closed", "instance", own.instance)
	unwritten := n.journal.renounce(own.pen.heard())
	n.takenOver(func(id string) bool { return !unwritten[id] })
}

func (n *Node) takenOver(told func(string) bool) {
	if n.c.TakenOver != nil {
		n.c.TakenOver(told)
	}
}

// acquire takes the first free number. A number whose node has just died is taken as any other: its ids have eight random
// bytes, and the new owner says gone to each.
func (n *Node) acquire(ctx context.Context, l *lease) error {
	n.drop(ctx, l)
	for number := range uint16(1 << 12) {
		revision, err := l.kv.Create(ctx, keyOf(number), []byte(n.self().instance))
		if isConflict(err) {
			continue
		}
		if err != nil {
			return err
		}
		l.number, l.revision, l.lapsed = number, revision, false
		sub, err := n.c.NATS.Subscribe(subjectOf(number)+"*", n.answer)
		if err == nil {
			l.sub = sub
			err = n.c.NATS.FlushWithContext(ctx)
		}
		if err != nil {
			return err
		}
		n.claim(number)
		return n.announce(ctx, l)
	}
	return errors.New("connections: all node numbers are taken")
}

// drop gives up what is left of a lease.
func (n *Node) drop(ctx context.Context, l *lease) {
	if l.sub != nil {
		_ = l.sub.Unsubscribe()
		l.sub = nil
	}
	if l.revision == 0 || !n.c.NATS.IsConnected() {
		return
	}
	if err := l.kv.Delete(ctx, keyOf(l.number), jetstream.LastRevision(l.revision)); err != nil {
		n.c.Log.Warn("the node's lease stays until it ends", "error", err)
	}
	l.revision = 0
}

func (n *Node) answer(m *nats.Msg) {
	var r wsconnv1.Request
	if proto.Unmarshal(m.Data, &r) != nil {
		return
	}
	data, err := proto.Marshal(n.c.Answer(&r))
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		n.c.Log.Warn("a push could not be answered", "error", err)
	}
}

// release gives the number back, so that pushes to the connections of this node are gone at once.
func (n *Node) release(l *lease) {
	n.number.Store(-1)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	n.drop(ctx, l)
}
