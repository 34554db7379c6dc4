package relay

import (
	"errors"
	"io"
	"os"
	"runtime"
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
