// Package counter keeps the records of counters in NATS: quotas on disk, throttles in memory. A record changes only by
// compare-and-set on its last sequence, so that any number of replicas may count the same thing: the store fences.
//
// It knows loans, but not how many tokens anybody gets. The surprise: the function that changes a record may run several
// times.
package counter

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"google.golang.org/protobuf/proto"

	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
)

// Buckets of the store.
const (
	QuotaBucket    = "limen_quota"
	ThrottleBucket = "limen_throttle"
)

const (
	// Records nobody touches are dropped: the ledger reaches back 90 days, a full token bucket needs no record.
	quotaAge    = 400 * 24 * time.Hour
	throttleAge = 10 * time.Minute
)

// ErrUnchanged, returned by a change, leaves the record as it is.
var ErrUnchanged = errors.New("unchanged")

// ErrClosed tells that the store is not open yet.
var ErrClosed = errors.New("the counters are not open yet")

// stripes keep changes of one counter from racing in this process; between processes compare-and-set decides.
const stripes = 64

// Store holds records. It is safe for concurrent use.
type Store struct {
	conn     *nats.Conn
	replicas int
	buckets  atomic.Pointer[buckets]
	failed   atomic.Bool // a call since the buckets were last opened
	seed     maphash.Seed
	locks    [stripes]sync.Mutex
}

type buckets struct{ quota, throttle jetstream.KeyValue }

// New makes a store that is not open yet. replicas is how many servers keep each record; 0 is one.
func New(conn *nats.Conn, replicas int) *Store {
	return &Store{conn: conn, replicas: max(replicas, 1), seed: maphash.MakeSeed()}
}

// Open makes or finds the buckets.
func (s *Store) Open(ctx context.Context) error {
	js, err := jetstream.New(s.conn)
	if err != nil {
		return err
	}
	var b buckets
	b.quota, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: QuotaBucket, Description: "granted and served of quotas", Storage: jetstream.FileStorage, Replicas: s.replicas, TTL: quotaAge})
	if err == nil {
		b.throttle, err = js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{Bucket: ThrottleBucket, Description: "levels of token buckets", Storage: jetstream.MemoryStorage, Replicas: s.replicas, TTL: throttleAge})
	}
	if err != nil {
		return fmt.Errorf("open counters: %w", err)
	}
	s.buckets.Store(&b)
	return nil
}

// Mend opens the buckets again when a call has failed: a NATS that was killed comes back without those in its memory.
func (s *Store) Mend(ctx context.Context) {
	if s.failed.Swap(false) && s.Open(ctx) != nil {
		s.failed.Store(true)
	}
}

// Name is a counter's key in the store: quotas can be read by eye, throttles hold paths and are hashed.
func Name(c *meteringv1.Counter, quota bool) string {
	if quota {
		return strings.Join([]string{"q", c.GetAccount(), c.GetRegion(), c.GetUsagePlan(), c.GetApiKey()}, ".")
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{c.GetAccount(), c.GetRegion(), c.GetUsagePlan(), c.GetApiKey(), c.GetApi(), c.GetStage(), c.GetMethod()}, "\n")))
	return "t." + hex.EncodeToString(sum[:16])
}

func (s *Store) bucket(name string) (jetstream.KeyValue, error) {
	b := s.buckets.Load()
	switch {
	case b == nil:
		return nil, ErrClosed
	case strings.HasPrefix(name, "q."):
		return b.quota, nil
	}
	return b.throttle, nil
}

// Get reads a record; nil when there is none.
func (s *Store) Get(ctx context.Context, name string) (*meteringv1.Record, error) {
	r, _, err := s.get(ctx, name)
	return r, err
}

func (s *Store) get(ctx context.Context, name string) (*meteringv1.Record, uint64, error) {
	kv, err := s.bucket(name)
	if err != nil {
		return nil, 0, err
	}
	e, err := kv.Get(ctx, name)
	if errors.Is(err, jetstream.ErrKeyNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		s.failed.Store(true)
		return nil, 0, fmt.Errorf("read counter: %w", err)
	}
	r := &meteringv1.Record{}
	if err := proto.Unmarshal(e.Value(), r); err != nil {
		return nil, 0, fmt.Errorf("counter %s is damaged: %w", name, err)
	}
	return r, e.Revision(), nil
}

// Update changes a record; an empty one stands for none. When it returns without an error, what change made of the record is
// stored.
func (s *Store) Update(ctx context.Context, name string, change func(*meteringv1.Record) error) error {
	lock := &s.locks[maphash.String(s.seed, name)%stripes]
	lock.Lock()
	defer lock.Unlock()
	for {
		r, revision, err := s.get(ctx, name)
		if err != nil {
			return err
		}
		if r == nil {
			r = &meteringv1.Record{}
		}
		if err := change(r); err != nil {
			if errors.Is(err, ErrUnchanged) {
				return nil
			}
			return err
		}
		err = s.put(ctx, name, r, revision)
		if err == nil || !isRaced(err) {
			return err
		}
	}
}

func (s *Store) put(ctx context.Context, name string, r *meteringv1.Record, revision uint64) error {
	kv, err := s.bucket(name)
	if err != nil {
		return err
	}
	value, err := proto.Marshal(r)
	if err != nil {
		return err
	}
	if revision == 0 {
		_, err = kv.Create(ctx, name, value)
	} else {
		_, err = kv.Update(ctx, name, value, revision)
	}
	if err != nil {
		s.failed.CompareAndSwap(false, !isRaced(err))
		return fmt.Errorf("store counter: %w", err)
	}
	return nil
}

// isRaced tells that somebody else has changed the record since it was read.
func isRaced(err error) bool {
	var api *jetstream.APIError
	return errors.Is(err, jetstream.ErrKeyExists) ||
		errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamWrongLastSequence
}

// Watch tells of changes of a record, from now on until ctx ends.
func (s *Store) Watch(ctx context.Context, name string) (<-chan jetstream.KeyValueEntry, func(), error) {
	kv, err := s.bucket(name)
	if err != nil {
		return nil, nil, err
	}
	w, err := kv.Watch(ctx, name, jetstream.UpdatesOnly())
	if err != nil {
		return nil, nil, fmt.Errorf("watch counter: %w", err)
	}
	return w.Updates(), func() { _ = w.Stop() }, nil
}
