// Package store keeps the entries of the response cache in bounded memory, each for its own time.
//
// It does not know stages beyond their names in a scope. The surprise: a full store may refuse a new entry in favour of
// older ones that are asked for more often, so an entry that was kept may be gone at once.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
)

const (
	// MaxEntry is the largest entry that is kept (spec/rest.md 9).
	MaxEntry = 1_048_576
	// DefaultBytes is AWS's smallest cache cluster.
	DefaultBytes = 512 << 20

	// overhead is about what an entry takes beside its own bytes.
	overhead = 512
	// sweepEvery is how often entries that ran out give their memory back when nobody writes.
	sweepEvery = time.Minute
)

// Key names an entry of the whole store.
type Key [sha256.Size]byte

// KeyOf joins a scope with the key of an entry in it. The lengths keep one name from running into the next.
func KeyOf(s *cachev1.Scope, key []byte) Key {
	var room [512]byte
	b := room[:0]
	for _, part := range [...]string{s.GetAccount(), s.GetRegion(), s.GetApiId(), s.GetStage()} {
		b = binary.AppendUvarint(b, uint64(len(part)))
		b = append(b, part...)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(s.GetEpoch()))
	return sha256.Sum256(append(b, key...))
}

// Store keeps entries. It is safe for concurrent use.
type Store struct {
	entries *otter.Cache[Key, kept]
	now     func() time.Time
}

// kept is an entry with its time. The entry is immutable.
type kept struct {
	entry *cachev1.Entry
	ttl   time.Duration
	until time.Time
}

// New makes an empty store of at most bytes; now is its clock.
func New(bytes uint64, now func() time.Time) (*Store, error) {
	entries, err := otter.New(&otter.Options[Key, kept]{
		MaximumWeight:    bytes,
		Weigher:          func(_ Key, k kept) uint32 { return uint32(Size(k.entry) + overhead) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[Key, kept]) time.Duration { return e.Value.ttl }),
		Clock:            clock(now),
	})
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return &Store{entries, now}, nil
}

// Get finds an entry whose time has not run out, and what is left of its time; nil when there is none. The entry must not
// be written to.
func (s *Store) Get(k Key) (e *cachev1.Entry, left time.Duration) {
	found, ok := s.entries.GetIfPresent(k)
	if !ok {
		return nil, 0
	}
	return found.entry, found.until.Sub(s.now())
}

// Put keeps an entry for a while, in place of the one before. The store owns the entry afterwards.
func (s *Store) Put(k Key, e *cachev1.Entry, ttl time.Duration) {
	s.entries.Set(k, kept{e, ttl, s.now().Add(ttl)})
}

// Run gives the memory of entries that ran out back until ctx ends.
func (s *Store) Run(ctx context.Context) error {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			s.entries.CleanUp()
		}
	}
}

// Weight is about how many bytes the store takes.
func (s *Store) Weight() uint64 { return s.entries.WeightedSize() }

// Size counts the bytes of an entry that a client would see.
func Size(e *cachev1.Entry) int {
	n := len(e.GetBody())
	for _, h := range e.GetHeaders() {
		n += len(h.GetName()) + len(h.GetValue())
	}
	return n
}

// clock is the injected clock in the store's terms. It does not tick: Run sweeps.
type clock func() time.Time

func (c clock) NowNano() int64 { return c().UnixNano() }

func (clock) Tick(time.Duration) <-chan time.Time { return nil }
