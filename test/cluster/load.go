package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// tally is what the clients of one kind saw since the last reset.
type tally struct {
	mu       sync.Mutex // guards what follows
	requests int
	retried  int
	failed   map[string]int // by what the client saw
	good     time.Time      // when the last good answer came
	gap      time.Duration  // the longest time without one
	recent   int            // failures since the last call of fresh
}

func newTally() *tally { return &tally{failed: map[string]int{}, good: time.Now()} }

// saw counts an answer; the empty outcome is a good one.
func (t *tally) saw(outcome string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	if outcome != "" {
		t.failed[outcome]++
		t.recent++
		return
	}
	t.close()
}

// close ends a gap. The caller holds mu.
func (t *tally) close() {
	t.gap = max(t.gap, time.Since(t.good))
	t.good = time.Now()
}

func (t *tally) again() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retried++
}

// seen is a tally at one moment.
type seen struct {
	requests, retried int
	failed            map[string]int
	gap               time.Duration
}

// take returns what was seen since the last take.
func (t *tally) take() seen {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := seen{t.requests, t.retried, t.failed, max(t.gap, time.Since(t.good))}
	t.requests, t.retried, t.failed, t.gap = 0, 0, map[string]int{}, 0
	t.good = time.Now()
	return s
}

// fresh is how many failures there were since it was last asked.
func (t *tally) fresh() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.recent
	t.recent = 0
	return n
}

func (s seen) String() string {
	text := fmt.Sprintf("%d", s.requests)
	for _, outcome := range slices.Sorted(maps.Keys(s.failed)) {
		text += fmt.Sprintf(", %d× %s", s.failed[outcome], outcome)
	}
	if s.retried > 0 {
		text += fmt.Sprintf(", %d retried", s.retried)
	}
	return text + fmt.Sprintf(", gap %.1fs", s.gap.Seconds())
}

const (
	// clientTimeout is how patient the clients are.
	clientTimeout = 5 * time.Second
	// Of each path. On two cores all clients together, with what they cause, leave room for what happens meanwhile.
	workers = 2
	every   = 100 * time.Millisecond // of each worker
)

// paths are what HTTP clients ask for.
var paths = []string{"/backend", "/guarded", "/kept", "/sold"}

// load is steady traffic until its context ends.
type load struct {
	site  *site
	anew  *atomic.Int64
	http  map[string]*tally
	ended sync.WaitGroup
}

// startLoad starts the clients; whenever anew counts on they connect again.
func startLoad(ctx context.Context, s *site, anew *atomic.Int64) *load {
	l := &load{site: s, anew: anew, http: map[string]*tally{}}
	for _, path := range paths {
		t := newTally()
		l.http[path] = t
		for n := range workers {
			l.ended.Go(func() { l.work(ctx, path, t, time.Duration(n)*every/workers) })
		}
	}
	return l
}

// work asks for a path at a steady pace, over a connection of its own.
func (l *load) work(ctx context.Context, path string, t *tally, delay time.Duration) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: clientTimeout}
	pause(ctx, delay)
	tick := time.NewTicker(every)
	defer tick.Stop()
	round := l.anew.Load()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := l.anew.Load(); now != round {
			round = now
			transport.CloseIdleConnections()
		}
		outcome := l.ask(ctx, client, path, t)
		if ctx.Err() != nil {
			return
		}
		t.saw(outcome)
	}
}

// ask sends one request. The transport itself sends one again whose reused connection was reset before the first byte of
// its answer; that is counted.
func (l *load) ask(ctx context.Context, client *http.Client, path string, t *tally) string {
	connections := 0
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if connections++; connections > 1 {
			t.again()
		}
	}})
	req, err := l.site.request(ctx, path, l.site.key)
	if err != nil {
		return err.Error()
	}
	res, err := client.Do(req)
	if err != nil {
		return transportError(err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return transportError(err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Sprint(res.StatusCode)
	}
	return ""
}

// transportError is the kind of an error, without addresses.
func transportError(err error) string {
	var timeout interface{ Timeout() bool }
	text := err.Error()
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case strings.Contains(text, "reset"):
		return "reset"
	case strings.Contains(text, "refused"):
		return "refused"
	case strings.Contains(text, "EOF"), strings.Contains(text, "closed network connection"): // the transport closed what broke
		return "cut off"
	}
	return text
}
