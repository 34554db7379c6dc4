package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// TestAClientThatNeverReads is given up, and its node hears of it.
func TestAClientThatNeverReads(t *testing.T) {
	n := startNode(t, &node{id: "id"})
	r, _ := startRelay(t, Config{}, n)
	for _, p := range r.pump.pollers {
		p.stall = 10 * time.Millisecond
	}
	_, atNode := link(t, r, n, nil, "")
	if _, err := io.Copy(atNode, neverEnding{}); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the node writes on: %v", err)
	}
	for deadline := time.Now().Add(time.Minute); r.Len() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the relay keeps it")
		}
	}
}

// chatty answers what it reads by itself, as TLS does when it is asked for new keys.
type chatty struct {
	*wire
	most *atomic.Int64 // of what waited to be sent
}

func (c chatty) NetConn() net.Conn { return c.wire }

func (c chatty) Read(p []byte) (int, error) {
	n, err := c.wire.Read(p[:min(len(p), 512)])
	if n > 0 {
		_, _ = c.Write(p[:n])
	}
	if c.blocked() {
		c.most.Store(max(c.most.Load(), int64(len(*c.pending))))
	}
	return n, err
}

// TestAClientThatMakesTLSAnswer and never reads does not make what waits for it grow.
func TestAClientThatMakesTLSAnswer(t *testing.T) {
	n := startNode(t, &node{id: "id"})
	r, _ := startRelay(t, Config{}, n)
	for _, p := range r.pump.pollers {
		p.stall = 10 * time.Millisecond
	}
	var most atomic.Int64
	client, atNode := linkOver(t, r, n, func(client, accepted net.Conn) (net.Conn, net.Conn) {
		return client, chatty{Conn(accepted, nil).(*wire), &most}
	}, "")
	go func() { _, _ = io.Copy(io.Discard, atNode) }()
	if _, err := io.CopyN(client, neverEnding{}, 64<<20); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the client writes on: %v", err)
	}
	if most.Load() > chunk+chunk/4 {
		t.Errorf("%d bytes waited", most.Load())
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

func TestIdleConnectionsCostNoGoroutine(t *testing.T) {
	n := startNode(t, &node{id: "id"})
	r, _ := startRelay(t, Config{DrainTimeout: time.Millisecond}, n)
	link(t, r, n, nil, "")
	before := runtime.NumGoroutine()
	for range 200 {
		link(t, r, n, nil, "")
	}
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before+20; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
