package hub

import (
	"sync"
	"time"
)

// wheel is a timing wheel: ids by the tick at which they must be looked at. Whatever happens to a connection moves nothing
// here; its turn comes, and it is put in again.
type wheel struct {
	tick time.Duration

	mu    sync.Mutex
	slots map[int64][]string
	seen  int64 // every slot up to this one was taken
}

func (w *wheel) slot(t time.Time) int64 { return t.UnixNano() / int64(w.tick) }

// put files an id under the first tick at or after its time.
func (w *wheel) put(id string, at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := max(w.slot(at)+1, w.seen+1)
	w.slots[n] = append(w.slots[n], id)
}

// take returns the ids whose time has come.
func (w *wheel) take(now time.Time) []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	last := w.slot(now)
	var out []string
	if w.seen == 0 || last-w.seen > int64(len(w.slots)) {
		for n, ids := range w.slots { // the first time, or after a leap of the clock
			if n <= last {
				out = append(out, ids...)
				delete(w.slots, n)
			}
		}
	} else {
		for n := w.seen + 1; n <= last; n++ {
			out = append(out, w.slots[n]...)
			delete(w.slots, n)
		}
	}
	w.seen = max(w.seen, last)
	return out
}
