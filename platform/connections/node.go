package connections

import (
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
	// Answer answers a request; it must not block.
	Answer func(*wsconnv1.Request) *wsconnv1.Answer
	// TakenOver is called when the node finds that its number was given to another after an outage: every connection under
	// the old number can no longer be reached.
	TakenOver func()
	Log       *slog.Logger
}

// Node is the place of one owner of sockets: its number, its lease, its answers, its journal. It is safe for concurrent use.
type Node struct {
	c        NodeConfig
	instance string
	number   atomic.Int32 // -1 while there is none
	claimed  chan struct{}
	once     sync.Once
	journal  *journal
}

// NewNode makes a node that does nothing yet.
func NewNode(c NodeConfig) *Node {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	n := &Node{c: c, instance: hex.EncodeToString(b[:]), claimed: make(chan struct{}), journal: newJournal()}
	n.number.Store(-1)
	if c.NATS == nil {
		n.claim(0)
	}
	return n
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

// Run keeps the lease, answers and writes the journal until ctx ends; then it gives the number back.
func (n *Node) Run(ctx context.Context) error {
	if n.c.NATS == nil {
		<-ctx.Done()
		return nil
	}
	js, err := jetstream.New(n.c.NATS)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	wg.Go(func() { n.journal.run(ctx, js, n) })
	n.keep(ctx, js)
	wg.Wait()
	return nil
}

// lease is the lease in force.
type lease struct {
	kv       jetstream.KeyValue
	revision uint64
	sub      *nats.Subscription
}

func (n *Node) keep(ctx context.Context, js jetstream.JetStream) {
	var l lease
	defer func() { n.release(&l) }()
	for {
		if err := n.step(ctx, js, &l); err != nil && ctx.Err() == nil {
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
			Bucket: bucket, Description: "Nodes that own WebSocket connections", TTL: Lease, LimitMarkerTTL: time.Minute, History: 1,
		})
		if err != nil {
			return err
		}
		l.kv = kv
	}
	number, ok := n.Number()
	if !ok {
		return n.acquire(ctx, l)
	}
	revision, err := l.kv.Update(ctx, keyOf(number), []byte(n.instance), l.revision)
	if err == nil {
		l.revision = revision
		return nil
	}
	if !isConflict(err) {
		return err // nothing is known; the sockets stay
	}
	return n.reclaim(ctx, l, number)
}

func isConflict(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) || errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// reclaim finds out what became of a lease whose revision is no longer the newest: it ended during an outage and can be had
// back, or an update arrived whose answer did not, or somebody else has the number now.
func (n *Node) reclaim(ctx context.Context, l *lease, number uint16) error {
	revision, err := l.kv.Create(ctx, keyOf(number), []byte(n.instance))
	if err == nil {
		l.revision = revision
		return nil
	}
	if !isConflict(err) {
		return err
	}
	entry, err := l.kv.Get(ctx, keyOf(number))
	if err != nil {
		return err
	}
	if string(entry.Value()) == n.instance {
		l.revision = entry.Revision()
		return nil
	}
	n.c.Log.Error("the node's number was taken over during an outage; its connections are closed", "node", number)
	n.number.Store(-1)
	if l.sub != nil {
		_ = l.sub.Unsubscribe()
		l.sub = nil
	}
	if n.c.TakenOver != nil {
		n.c.TakenOver()
	}
	return n.acquire(ctx, l)
}

// acquire takes the first free number. A number whose node has just died is taken as any other: its ids have eight random
// bytes, and the new owner says gone to each.
func (n *Node) acquire(ctx context.Context, l *lease) error {
	for number := range uint16(1 << 12) {
		revision, err := l.kv.Create(ctx, keyOf(number), []byte(n.instance))
		if isConflict(err) {
			continue
		}
		if err != nil {
			return err
		}
		l.revision = revision
		sub, err := n.c.NATS.Subscribe(subjectOf(number)+"*", n.answer)
		if err == nil {
			err = n.c.NATS.FlushWithContext(ctx)
		}
		if err != nil {
			return err
		}
		l.sub = sub
		n.claim(number)
		return nil
	}
	return errors.New("connections: all node numbers are taken")
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
	if l.sub != nil {
		_ = l.sub.Unsubscribe()
	}
	number, ok := n.Number()
	n.number.Store(-1)
	if l.kv == nil || !ok || !n.c.NATS.IsConnected() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := l.kv.Delete(ctx, keyOf(number), jetstream.LastRevision(l.revision)); err != nil {
		n.c.Log.Warn("the node's lease stays until it ends", "error", err)
	}
}
