// Package linewriter writes log lines in batches, for streams with a line per request: a Write only copies into memory,
// and one goroutine writes what has gathered. A kill may lose what gathered last, at most Delay's worth (spec/rest.md 12.3
// allows a second); a stop loses nothing.
//
// The surprise: when the destination stands still, callers do not; lines beyond Bound are dropped, and counted.
package linewriter

import (
	"context"
	"io"
	"sync"
	"time"
)

const (
	// Batch is how many bytes are written at once before their time.
	Batch = 64 << 10
	// Delay is how long a line waits at most.
	Delay = 100 * time.Millisecond
	// Bound is how many bytes may wait while the destination stands still.
	Bound = 4 << 20
)

// Writer gathers lines. Write is safe for concurrent use; Run writes them out.
type Writer struct {
	out  io.Writer
	lost func(lines int)
	full chan struct{} // holds a token when a batch is full

	// mu guards all below.
	mu      sync.Mutex
	waiting []byte
	dropped int
}

// New makes a writer to out; lost is told how many lines were dropped. Nothing is written before Run.
func New(out io.Writer, lost func(lines int)) *Writer {
	return &Writer{out: out, lost: lost, full: make(chan struct{}, 1)}
}

// Write takes one or more whole lines. It never fails and never waits for the destination.
func (w *Writer) Write(lines []byte) (int, error) {
	w.mu.Lock()
	before := len(w.waiting)
	if before+len(lines) > Bound {
		w.dropped++
	} else {
		w.waiting = append(w.waiting, lines...)
	}
	after := len(w.waiting)
	w.mu.Unlock()
	if before < Batch && after >= Batch {
		select {
		case w.full <- struct{}{}:
		default:
		}
	}
	return len(lines), nil
}

// Run writes batches until ctx ends and everything that was taken before is written.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(Delay)
	defer tick.Stop()
	var spare []byte
	for {
		select {
		case <-ctx.Done():
			w.flush(spare)
			return nil
		case <-tick.C:
		case <-w.full:
		}
		spare = w.flush(spare)
	}
}

// flush writes what waits and returns its memory for the lines after the next.
func (w *Writer) flush(spare []byte) []byte {
	w.mu.Lock()
	batch, dropped := w.waiting, w.dropped
	w.waiting, w.dropped = spare[:0], 0
	w.mu.Unlock()
	if len(batch) > 0 {
		_, _ = w.out.Write(batch) // there is nobody to tell
	}
	if dropped > 0 {
		w.lost(dropped)
	}
	if cap(batch) > 4*Batch {
		return nil // a stall must not pin its memory
	}
	return batch
}
