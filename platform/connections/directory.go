package connections

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/run"
)

// relayKey is followed by a node's number. Beside the lease, not in it: a node that takes no more connections takes this one
// back and keeps the lease, and nodes that are older know the lease as what names a journal.
const relayKey = "relay."

// directoryRetry is the pause before the bucket is looked for again.
const directoryRetry = time.Second

// Directory knows where nodes take connections from edges. It is safe for concurrent use.
type Directory struct {
	nats *nats.Conn
	link *link
	log  *slog.Logger

	mu    sync.Mutex // guards nodes
	nodes map[string]relayNode
}

type relayNode struct {
	address string
	// lapsed is since when it has not said that it is still there; zero while it has.
	lapsed time.Time
}

// NewDirectory makes a directory that is empty until it runs. A nil log is the default one.
func NewDirectory(nc *nats.Conn, log *slog.Logger) *Directory {
	if log == nil {
		log = slog.Default()
	}
	return &Directory{nats: nc, link: newLink(nc, nil), log: log, nodes: map[string]relayNode{}}
}

// Nodes are the addresses of the nodes that take connections, in order. After an outage of NATS, of the connection to it or
// of the majority behind that, live nodes need a moment to say that they are there; while none has, all that were there
// before may be tried.
func (d *Directory) Nodes() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var live, lapsed []string
	for _, n := range d.nodes {
		switch {
		case n.lapsed.IsZero():
			live = append(live, n.address)
		case !d.link.settled() || d.link.now().Sub(n.lapsed) <= comesBackWithin:
			lapsed = append(lapsed, n.address)
		}
	}
	if len(live) == 0 {
		live = lapsed
	}
	slices.Sort(live)
	return slices.Compact(live)
}

// Run follows what nodes say until ctx ends.
func (d *Directory) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { d.link.run(ctx); return nil })
	group.Go(func() error {
		for ctx.Err() == nil {
			err := d.follow(ctx)
			if err != nil && ctx.Err() == nil && !errors.Is(err, jetstream.ErrBucketNotFound) {
				d.log.Warn("the wsconn nodes cannot be looked up; those known so far are tried", "error", err)
			}
			run.Pause(ctx, directoryRetry)
		}
		return nil
	})
	return group.Wait()
}

func (d *Directory) follow(ctx context.Context) error {
	js, err := jetstream.New(d.nats)
	if err != nil {
		return err
	}
	kv, err := js.KeyValue(ctx, NodeBucket)
	if err != nil {
		return err
	}
	w, err := kv.Watch(ctx, relayKey+"*")
	if err != nil {
		return err
	}
	defer func() { _ = w.Stop() }()
	seen := map[string]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case e, ok := <-w.Updates():
			switch {
			case !ok:
				return nil
			case e == nil:
				d.forget(seen) // what follows is news
			default:
				seen[e.Key()] = true
				d.note(e)
			}
		}
	}
}

func (d *Directory) note(e jetstream.KeyValueEntry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch e.Operation() {
	case jetstream.KeyValuePut:
		d.nodes[e.Key()] = relayNode{address: strings.Clone(string(e.Value()))}
	case jetstream.KeyValueDelete:
		delete(d.nodes, e.Key()) // its node said so
	default:
		d.lapse(e.Key())
	}
}

// lapse notes that a node has not said in time that it is there. The lock is held.
func (d *Directory) lapse(key string) {
	if n, ok := d.nodes[key]; ok && n.lapsed.IsZero() {
		n.lapsed = d.link.now()
		d.nodes[key] = n
	}
}

// forget takes those for lapsed that the bucket does not hold.
func (d *Directory) forget(seen map[string]bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for key := range d.nodes {
		if !seen[key] {
			d.lapse(key)
		}
	}
}
