package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// chunk is how much is read at once, turns how often for one connection before others have their turn.
	chunk = 32 << 10
	turns = 16
	// stallTime is how long a client may take nothing of what waits for it; lingerTime how long it may stay after the node
	// has said its last.
	stallTime  = 30 * time.Second
	lingerTime = 2 * time.Second
)

// pump relays connections, each by one of its pollers.
type pump struct {
	pollers []*poller
	turn    atomic.Uint32
}

func newPump() (*pump, error) {
	p := &pump{}
	for range runtime.GOMAXPROCS(0) {
		one, err := newPoller()
		if err != nil {
			p.close()
			return nil, err
		}
		p.pollers = append(p.pollers, one)
	}
	return p, nil
}

func (p *pump) close() {
	for _, one := range p.pollers {
		_ = one.file.Close()
	}
}

// run passes bytes on until ctx ends, then closes all that is relayed.
func (p *pump) run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, one := range p.pollers {
		wg.Go(one.run)
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-tick.C:
			for _, one := range p.pollers {
				one.sweep(now)
			}
		}
	}
	p.close()
	wg.Wait()
	for _, one := range p.pollers {
		one.end()
	}
}

// take relays two connections: to the node goes toNode first, to the client toClient. done is called at the end.
func (p *pump) take(client, node net.Conn, toNode, toClient []byte, done func()) {
	one := p.pollers[int(p.turn.Add(1))%len(p.pollers)]
	r := &pair{poller: one, done: done}
	r.legs[0].conn, r.legs[0].wire = unwrap(client)
	r.legs[1].conn, r.legs[1].wire = unwrap(node)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := errors.Join(r.legs[0].wire.detach(), r.legs[1].wire.detach()); err != nil {
		r.close()
		return
	}
	if !one.add(r) {
		r.close()
		return
	}
	_, err := r.legs[1].conn.Write(toNode)
	if err == nil {
		_, err = r.legs[0].conn.Write(toClient)
	}
	buf := waiting.Get().(*[]byte)
	defer waiting.Put(buf)
	r.finish(errors.Join(err, r.move(0, (*buf)[:chunk]), r.move(1, (*buf)[:chunk])))
}

// poller waits for the sockets of its pairs. Its epoll rests in Go's own, so that waiting costs no thread.
type poller struct {
	fd            int
	file          *os.File
	stall, linger time.Duration

	// mu guards what follows. It is taken after pair.mu.
	mu      sync.Mutex
	legs    map[int]*pair // by descriptor
	watched map[*pair]struct{}
	ended   bool
}

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(os.NewSyscallError("fcntl", err), unix.Close(fd))
	}
	return &poller{fd: fd, file: os.NewFile(uintptr(fd), "epoll"), stall: stallTime, linger: lingerTime, legs: map[int]*pair{}, watched: map[*pair]struct{}{}}, nil
}

// run serves events until the file is closed.
func (p *poller) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	events, buf, n := make([]unix.EpollEvent, 128), make([]byte, chunk), 0
	wait := func(fd uintptr) bool {
		n, err = unix.EpollWait(int(fd), events, 0)
		return n > 0 || err == unix.EINTR
	}
	for raw.Read(wait) == nil {
		for _, e := range events[:max(n, 0)] {
			if r := p.find(int(e.Fd)); r != nil {
				r.serve(int(e.Fd), e.Events, buf)
			}
		}
	}
}

func (p *poller) find(fd int) *pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.legs[fd]
}

func (p *poller) add(r *pair) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	for i := range r.legs {
		p.legs[r.legs[i].wire.fd] = r
	}
	return true
}

func (p *poller) remove(r *pair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range r.legs {
		if fd := r.legs[i].wire.fd; p.legs[fd] == r {
			delete(p.legs, fd)
		}
	}
	delete(p.watched, r)
}

func (p *poller) watch(r *pair, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.watched[r] = struct{}{}
	} else {
		delete(p.watched, r)
	}
}

// sweep closes pairs whose time is over.
func (p *poller) sweep(now time.Time) {
	p.mu.Lock()
	var watched []*pair
	for r := range p.watched {
		watched = append(watched, r)
	}
	p.mu.Unlock()
	for _, r := range watched {
		r.mu.Lock()
		if !r.deadline.IsZero() && now.After(r.deadline) {
			r.close()
		}
		r.mu.Unlock()
	}
}

// end closes what is left.
func (p *poller) end() {
	p.mu.Lock()
	p.ended = true
	left := make([]*pair, 0, len(p.legs))
	for _, r := range p.legs {
		left = append(left, r)
	}
	p.mu.Unlock()
	for _, r := range left {
		r.mu.Lock()
		r.close()
		r.mu.Unlock()
	}
}

// leg is one side of a pair.
type leg struct {
	conn net.Conn // what is read and written: wire, or TLS over it
	wire *wire
	want uint32 // what epoll waits for; 0 waits for nothing
	eof  bool   // it has said its last
	shut bool   // it was told the other's last
}

// pair is a client (0) and a node (1).
type pair struct {
	poller *poller
	done   func()

	mu       sync.Mutex // guards what follows, and the wires
	legs     [2]leg
	deadline time.Time // when it is closed; zero: it is not
	closed   bool
}

// serve acts on what epoll says of a descriptor.
func (r *pair) serve(fd int, events uint32, buf []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return
	}
	i := 0
	if r.legs[1].wire.fd == fd {
		i = 1
	}
	var err error
	if r.legs[i].wire.blocked() && events&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 {
		var progress bool
		if progress, err = r.legs[i].wire.flush(); progress && i == 0 {
			r.deadline = time.Time{}
		}
		if err == nil {
			err = r.move(1-i, buf)
		}
	}
	if err == nil { // not only when there is something to read: TLS may have kept it while the side was not read
		err = r.move(i, buf)
	}
	r.finish(err)
}

// paused reports whether a side is not read: the other does not take it, or it makes TLS answer and takes no answers.
func (r *pair) paused(i int) bool { return r.legs[1-i].wire.blocked() || r.legs[i].wire.full() }

// move passes on what one side says, until it pauses or the other does not take it.
func (r *pair) move(i int, buf []byte) error {
	from, to := &r.legs[i], &r.legs[1-i]
	from.wire.visits = turns
	for !from.eof && !r.paused(i) {
		n, err := from.conn.Read(buf)
		if n > 0 {
			if _, err := to.conn.Write(buf[:n]); err != nil {
				return err
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, again{}):
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF): // TLS that ends without a word
			from.eof = true
		default:
			return err
		}
	}
	if from.eof && !to.shut && !to.wire.blocked() {
		to.shut = true
		return closeWrite(to.conn)
	}
	return nil
}

func closeWrite(c net.Conn) error {
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// finish closes what has ended, else says what to wait for.
func (r *pair) finish(err error) {
	client, node := &r.legs[0], &r.legs[1]
	if err != nil || client.shut && node.shut && !client.wire.blocked() && !node.wire.blocked() {
		r.close()
		return
	}
	switch {
	case client.wire.blocked():
		r.limit(r.poller.stall)
	case client.shut:
		r.limit(r.poller.linger)
	case !r.deadline.IsZero():
		r.deadline = time.Time{}
		r.poller.watch(r, false)
	}
	for i := range r.legs {
		if err := r.await(&r.legs[i], r.paused(i)); err != nil {
			r.close()
			return
		}
	}
}

// limit sets when the pair is closed, unless that is set.
func (r *pair) limit(d time.Duration) {
	if r.deadline.IsZero() {
		r.deadline = time.Now().Add(d)
		r.poller.watch(r, true)
	}
}

// await tells epoll what a side may do next. One that may do nothing leaves it: epoll would report its end again and again.
func (r *pair) await(l *leg, paused bool) error {
	want := uint32(0)
	if !l.eof && !paused {
		want |= unix.EPOLLIN
	}
	if l.wire.blocked() {
		want |= unix.EPOLLOUT
	}
	if want == l.want {
		return nil
	}
	what := unix.EPOLL_CTL_MOD
	switch {
	case l.want == 0:
		what = unix.EPOLL_CTL_ADD
	case want == 0:
		what = unix.EPOLL_CTL_DEL
	}
	l.want = want
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(r.poller.fd, what, l.wire.fd, &unix.EpollEvent{Events: want, Fd: int32(l.wire.fd)}))
}

// close ends both sides. It needs mu.
func (r *pair) close() {
	if r.closed {
		return
	}
	r.closed = true
	r.poller.remove(r)
	for i := range r.legs {
		_ = r.legs[i].conn.Close()
	}
	r.done()
}
