package pipeline

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/platform/rpc"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
)

const (
	// cacheTimeout bounds what a request loses to a cache that does not answer, where nothing else is configured.
	cacheTimeout = 50 * time.Millisecond
	// After cacheFailures in a row the cache is left alone, but for one question each cacheRetrial.
	cacheFailures = 3
	cacheRetrial  = time.Second
)

// Cache is the edge's side of the response cache: it asks with a deadline of its own, and knows which keys are being
// answered, so that the backend is called once for each. It is safe for concurrent use.
type Cache struct {
	client   cachev1.CacheClient
	timeout  time.Duration
	failures atomic.Int32
	retry    atomic.Int64 // when a silent cache is asked again, nanoseconds since 1970
	ended    atomic.Uint64
	near     near

	mu      sync.Mutex // guards flights
	flights map[flightKey]*flight
}

// flightKey names an answer on this edge. A stage whose settings change has a new scope.
type flightKey struct {
	scope *cachev1.Scope
	key   [sha256.Size]byte
}

// route sends all questions about a key to the node that keeps it.
func (k flightKey) route(ctx context.Context) context.Context {
	s := k.scope
	return rpc.WithKey(ctx, s.GetAccount(), s.GetRegion(), s.GetApiId(), s.GetStage(), string(k.key[:]))
}

// flight is an answer that is being made.
type flight struct {
	landed chan struct{}
	once   sync.Once
	entry  *cachev1.Entry // nil when there is nothing to share; valid once landed is closed
}

// NewCache makes the side of an edge; nil without a client, and nothing is cached then. A question may take the timeout; 0
// is 50 ms. nearBytes bounds the edge's own memory; 0 is DefaultNearBytes.
func NewCache(client cachev1.CacheClient, timeout time.Duration, nearBytes int64) (*Cache, error) {
	if client == nil {
		return nil, nil
	}
	if timeout == 0 {
		timeout = cacheTimeout
	}
	if nearBytes == 0 {
		nearBytes = DefaultNearBytes
	}
	n, err := newNear(nearBytes)
	return &Cache{client: client, timeout: timeout, near: n, flights: map[flightKey]*flight{}}, err
}

// land gives the answer to those who wait; only the first call counts.
func (f *flight) land(e *cachev1.Entry) {
	f.once.Do(func() {
		f.entry = e
		close(f.landed)
	})
}

// answer is the shared one; nil when there is none yet.
func (f *flight) answer() *cachev1.Entry {
	select {
	case <-f.landed:
		return f.entry
	default:
		return nil
	}
}

// join finds the flight for a key, or starts one that the caller leads and must end.
func (c *Cache) join(k flightKey) (f *flight, leads bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f = c.flights[k]; f != nil {
		return f, false
	}
	f = &flight{landed: make(chan struct{})}
	c.flights[k] = f
	return f, true
}

// end takes a flight away. The counter moves first: who finds no flight any more must see that one ended.
func (c *Cache) end(k flightKey, f *flight) {
	f.land(nil)
	c.ended.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flights, k)
}

var errSilent = errors.New("the cache did not answer a moment ago")

// get asks for an entry; nil without error is a miss.
func (c *Cache) get(ctx context.Context, k flightKey) (*cachev1.Entry, error) {
	var out *cachev1.GetResponse
	err := c.ask(k.route(ctx), func(ctx context.Context) (err error) {
		out, err = c.client.Get(ctx, &cachev1.GetRequest{Scope: k.scope, Key: k.key[:]})
		return err
	})
	if e := out.GetEntry(); e != nil {
		c.near.put(k, e, time.Duration(out.GetRemainingMillis())*time.Millisecond)
	}
	return out.GetEntry(), err
}

func (c *Cache) put(ctx context.Context, k flightKey, e *cachev1.Entry, ttl time.Duration) error {
	// What is near is older, and whatever becomes of the new one, it is not to be seen again.
	c.near.drop(k)
	var out *cachev1.PutResponse
	// The client may be gone; the answer is still good for others.
	err := c.ask(k.route(context.WithoutCancel(ctx)), func(ctx context.Context) (err error) {
		out, err = c.client.Put(ctx, &cachev1.PutRequest{Scope: k.scope, Key: k.key[:], Entry: e, TtlSeconds: int64(ttl / time.Second)})
		return err
	})
	if out.GetKept() {
		c.near.put(k, e, ttl)
	}
	return err
}

// ask bounds one question. A cache that failed several times in a row is asked once a second until it answers.
func (c *Cache) ask(ctx context.Context, question func(context.Context) error) error {
	if c.failures.Load() >= cacheFailures {
		now, retry := time.Now().UnixNano(), c.retry.Load()
		if now < retry || !c.retry.CompareAndSwap(retry, now+int64(cacheRetrial)) {
			return errSilent
		}
	}
	asked := time.Now()
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	err := question(bounded)
	switch {
	case err == nil:
		if c.failures.Load() != 0 {
			c.failures.Store(0)
		}
		return nil
	case ctx.Err() != nil:
		return ctx.Err() // the asker went away; that says nothing of the cache
	}
	// Questions that were under way together fail with one node, and say nothing of the others.
	if asked.Add(cacheRetrial).UnixNano() > c.retry.Load() {
		c.failures.Add(1)
	}
	c.retry.Store(time.Now().Add(cacheRetrial).UnixNano())
	return fmt.Errorf("the cache did not answer: %w", err)
}
