package roles

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/run"
)

// face is an HTTP listener of a role.
type face struct {
	setting, address string
	secure           *tls.Config // nil is plaintext
	handler          http.Handler
	// grace is how long it goes on when it is told to end, asking its clients to leave.
	grace time.Duration
	// drain is how long requests in flight may take after that.
	drain time.Duration
	// after is closed when there is something to answer; nil is at once.
	after <-chan struct{}
	// open is closed when it listens; nil where nobody waits for that.
	open chan struct{}
	// idle is how long a connection waits for its next request, body how long a request's may take to arrive; 0 are idleTimeout
	// and bodyTimeout.
	idle, body time.Duration
}

const (
	// idleTimeout is longer than clients and balancers keep an idle connection: whoever ends one first can lose no request on it.
	idleTimeout = 6 * time.Minute
	// bodyTimeout is the edge's.
	bodyTimeout = time.Minute
)

// stopTimeout is how long requests to the control plane may take when a process stops.
const stopTimeout = 5 * time.Second

// serve answers HTTP/1.1 and HTTP/2 until ctx ends and the grace is over, then lets requests in flight end.
func (f face) serve(ctx context.Context) error {
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		return fmt.Errorf("%s: %w", f.setting, err)
	}
	if f.open != nil {
		close(f.open)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(f.secure != nil)
	protocols.SetUnencryptedHTTP2(f.secure == nil)
	unused := &unused{connections: map[net.Conn]struct{}{}}
	door := &door{Handler: timely(f.handler, cmp.Or(f.body, bodyTimeout))}
	server := &http.Server{Handler: door, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: cmp.Or(f.idle, idleTimeout), Protocols: protocols,
		ConnState: unused.changed}
	if f.secure != nil {
		l = tls.NewListener(l, f.secure)
	}
	result := make(chan error, 1)
	go func() { result <- server.Serve(l) }()
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
	}
	door.leaving.Store(true)
	grace := time.NewTimer(f.grace)
	defer grace.Stop()
	select {
	case err := <-result:
		return err
	case <-grace.C:
	}
	_ = l.Close()
	<-result
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.drain)
	defer cancel()
	unused.wait(stop, f.grace)
	if err := server.Shutdown(stop); err != nil {
		_ = server.Close() // requests that do not end are cut
	}
	return nil
}

// unused are the connections of a server that no request has come over yet. Clients dial ahead (net/http's transport does
// when another connection becomes free before the new one is there) and use what they have within their idle time. Shutdown
// would read such a request and drop it, and its client could not know that it was not carried out.
type unused struct {
	mu          sync.Mutex
	connections map[net.Conn]struct{}
}

// changed is a hook for http.Server.
func (u *unused) changed(c net.Conn, s http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if s == http.StateNew {
		u.connections[c] = struct{}{}
	} else {
		delete(u.connections, c)
	}
}

func (u *unused) none() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.connections) == 0
}

// wait waits until there are none, at most so long: who says nothing on one must not hold up the end. It looks twice, since the
// hook hears of a request a moment before net/http is past dropping it.
func (u *unused) wait(ctx context.Context, most time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	for before := false; run.Pause(ctx, 20*time.Millisecond); {
		now := u.none()
		if before && now {
			return
		}
		before = now
	}
}

// keep runs the face, if it has an address, and returns the context of what stands behind it: that ends after the last answer.
func (f face) keep(ctx context.Context, g *errgroup.Group) context.Context {
	answering, answered := context.WithCancel(context.WithoutCancel(ctx))
	g.Go(func() error {
		defer answered()
		if f.address == "" {
			<-ctx.Done()
			return nil
		}
		if f.after != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-f.after:
			}
		}
		return f.serve(ctx)
	})
	return answering
}

// timely bounds how long the body of a request may take to arrive, but for gRPC, whose streams last. Reading a body that is late
// fails with os.ErrDeadlineExceeded. Nothing lifts the deadline of one that has arrived: over HTTP/1.1 net/http does when it begins
// to listen for the client's leaving, over HTTP/2 it is the body's alone.
func timely(h http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != http.NoBody && !isGRPC(r) {
			// The edge's HTTP/1.1 has no deadline to set: it has read the body by now.
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(limit))
		}
		h.ServeHTTP(w, r)
	})
}

func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// door asks clients to leave, once it is leaving: by Connection: close, which net/http makes a GOAWAY over HTTP/2.
type door struct {
	http.Handler
	leaving atomic.Bool
}

func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.leaving.Load() {
		w.Header().Set("Connection", "close")
	}
	d.Handler.ServeHTTP(w, r)
}
