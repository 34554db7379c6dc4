package connections

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// link knows since when NATS is reachable. Who has just come back has not seen yet who else is there.
type link struct {
	nats *nats.Conn
	now  func() time.Time

	mu    sync.Mutex
	since time.Time // zero while the connection does not stand
}

func newLink(nc *nats.Conn, now func() time.Time) *link {
	if now == nil {
		now = time.Now
	}
	return &link{nats: nc, now: now}
}

// run takes notes until ctx ends.
func (l *link) run(ctx context.Context) {
	changes := l.nats.StatusChanged(nats.CONNECTED, nats.RECONNECTING, nats.DISCONNECTED, nats.CLOSED)
	defer l.nats.RemoveStatusListener(changes)
	if l.nats.IsConnected() {
		l.note(l.now())
	}
	for {
		select {
		case <-ctx.Done():
			return
		case s, ok := <-changes:
			if !ok {
				<-ctx.Done()
				return
			}
			if s == nats.CONNECTED {
				l.note(l.now())
			} else {
				l.note(time.Time{})
			}
		}
	}
}

func (l *link) note(since time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = since
}

// restart begins to count anew: the connection stands, but what is behind it did not answer, and may have let leases end.
func (l *link) restart() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.since.IsZero() {
		l.since = l.now()
	}
}

// settled reports whether the connection stands for so long that a lease that is not there has ended.
func (l *link) settled() bool {
	l.mu.Lock()
	since := l.since
	l.mu.Unlock()
	return !since.IsZero() && l.now().Sub(since) > settled
}
