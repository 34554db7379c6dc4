package connections

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/run"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

const (
	// heirBatch is how many ends are told before that is written down, heirs how many side by side.
	heirBatch = 256
	heirs     = 32
)

// inherit looks for journals whose nodes are dead, and tells the ends of the connections that are open in them, until ctx
// ends. It believes that a lease is gone only after this node was connected itself for longer than one (foundations 8.4).
func (n *Node) inherit(ctx context.Context) {
	if n.c.Lost == nil {
		return
	}
	finished := map[string]bool{}
	for {
		run.Pause(ctx, renewEvery)
		if ctx.Err() != nil {
			return
		}
		if !n.link.settled() {
			continue
		}
		if err := n.inheritAll(ctx, finished); err != nil && ctx.Err() == nil {
			n.c.Log.Warn("the journals of dead nodes wait", "error", err)
		}
	}
}

func (n *Node) inheritAll(ctx context.Context, finished map[string]bool) error {
	instances, err := n.store.instances(ctx)
	if err != nil {
		return err
	}
	own := n.self()
	strange := slices.DeleteFunc(instances, func(i string) bool { return i == own.instance || finished[i] })
	if len(strange) == 0 {
		return nil
	}
	alive, err := n.alive(ctx)
	if err != nil {
		return err
	}
	for _, instance := range strange {
		if alive[instance] {
			continue
		}
		done, err := n.inheritOne(ctx, own, instance, alive)
		if err != nil && !errors.Is(err, errTaken) {
			return err
		}
		finished[instance] = done
	}
	return nil
}

// alive are the instances that hold a lease.
func (n *Node) alive(ctx context.Context) (map[string]bool, error) {
	kv, err := n.store.js.KeyValue(ctx, NodeBucket)
	if err != nil {
		return nil, err
	}
	keys, err := kv.Keys(ctx)
	if err != nil && !errors.Is(err, jetstream.ErrNoKeysFound) {
		return nil, err
	}
	out := map[string]bool{}
	for _, key := range keys {
		if strings.HasPrefix(key, relayKey) {
			continue
		}
		entry, err := kv.Get(ctx, key)
		if err == nil {
			out[string(entry.Value())] = true
		} else if !errors.Is(err, jetstream.ErrKeyNotFound) {
			return nil, err
		}
	}
	return out, nil
}

// inheritOne takes a journal over, or goes on with one that this node has; done says that nothing is left in it.
func (n *Node) inheritOne(ctx context.Context, own *identity, instance string, alive map[string]bool) (done bool, err error) {
	p := &pen{store: n.store, subject: JournalSubject + instance, writer: own.instance}
	newest, sequence, err := n.store.last(ctx, p.subject)
	if err != nil || sequence == 0 || newest.GetFinished() {
		return err == nil, err
	}
	p.seen, p.lastSequence, p.lastEntries = sequence, newest.GetLastSequence(), newest.GetLastEntries()
	if newest.GetWriter() == instance {
		p.lastSequence, p.lastEntries = sequence, uint32(len(newest.GetEntries()))
	}
	switch writer := newest.GetWriter(); {
	case writer == own.instance:
	case writer != instance && alive[writer]:
		return false, nil // another one is at it
	default:
		if err := p.append(ctx, &wsconnv1.Journal{}); err != nil {
			return false, err
		}
	}
	open, err := n.store.open(ctx, p.subject, p.seen)
	if err != nil {
		return false, err
	}
	n.c.Log.Info("a node is dead; the ends of its connections are told", "instance", instance, "connections", len(open))
	if err := n.tell(ctx, p, open); err != nil {
		return false, err
	}
	// What stays is the proof, for a node that is not dead, that it was taken over.
	if err := p.append(ctx, &wsconnv1.Journal{Finished: true}); err != nil {
		return false, err
	}
	return true, n.store.remove(ctx, p.subject, 1)
}

var errUnheard = errors.New("connections: nobody hears of the ends of a dead node's connections")

// tell tells the ends and writes down which were heard.
func (n *Node) tell(ctx context.Context, p *pen, open map[string]*wsconnv1.Handoff) error {
	for batch := range slices.Chunk(slices.Sorted(maps.Keys(open)), heirBatch) {
		heard := make([]bool, len(batch))
		var group errgroup.Group
		group.SetLimit(heirs)
		for i, id := range batch {
			group.Go(func() error {
				heard[i] = n.c.Lost(ctx, open[id])
				return nil
			})
		}
		_ = group.Wait()
		var written wsconnv1.Journal
		for i, id := range batch {
			if heard[i] {
				written.Entries = append(written.Entries, &wsconnv1.JournalEntry{What: &wsconnv1.JournalEntry_Closed{Closed: id}})
			}
		}
		if err := p.append(ctx, &written); err != nil {
			return err
		}
		if len(written.GetEntries()) < len(batch) {
			return errUnheard
		}
	}
	return nil
}
