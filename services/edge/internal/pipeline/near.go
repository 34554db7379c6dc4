package pipeline

import (
	"fmt"
	"time"

	"github.com/maypok86/otter/v2"

	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
)

const (
	// DefaultNearBytes bounds the near cache where nothing else is configured.
	DefaultNearBytes = 32 << 20
	// nearTime is how long an entry is used without asking the cache again: what the refresh by another edge may take to be
	// seen here (foundations 6.4).
	nearTime = time.Second
	// nearOverhead is about what an entry takes beside its own bytes.
	nearOverhead = 512
)

// near is what this edge has lately heard from the cache, in its own memory, so that warm answers ask nobody. A flush is
// exact all the same: it makes a new scope, whose entries have other keys.
type near struct {
	entries *otter.Cache[flightKey, nearEntry]
	bytes   int
}

// nearEntry is an entry with its end. The entry is immutable.
type nearEntry struct {
	entry *cachev1.Entry
	until time.Time
}

func newNear(bytes int64) (near, error) {
	entries, err := otter.New(&otter.Options[flightKey, nearEntry]{
		MaximumWeight: uint64(bytes),
		Weigher:       func(_ flightKey, n nearEntry) uint32 { return uint32(weightOf(n.entry)) },
	})
	if err != nil {
		return near{}, fmt.Errorf("near cache: %w", err)
	}
	return near{entries, int(bytes)}, nil
}

func weightOf(e *cachev1.Entry) int {
	size := nearOverhead + len(e.Body)
	for _, h := range e.Headers {
		size += len(h.Name) + len(h.Value)
	}
	return size
}

// get finds an entry whose time has not run out; nil when there is none.
func (n *near) get(k flightKey) *cachev1.Entry {
	if found, ok := n.entries.GetIfPresent(k); ok && time.Now().Before(found.until) {
		return found.entry
	}
	return nil
}

// put keeps an entry of which the cache says that so much of its time is left. One that has no room at all is not kept: who
// evicts does so a moment later.
func (n *near) put(k flightKey, e *cachev1.Entry, left time.Duration) {
	if left = min(left, nearTime); left > 0 && weightOf(e) <= n.bytes {
		n.entries.Set(k, nearEntry{e, time.Now().Add(left)})
	}
}

// drop forgets an entry: another one is about to take its place.
func (n *near) drop(k flightKey) { n.entries.Invalidate(k) }
