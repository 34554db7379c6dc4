package relay

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// wire is a TCP connection that TLS may lie over, and that can change from waiting to never waiting: then reads without
// bytes fail for the moment, and what a write cannot send is kept until flush. Until it has changed any goroutine may use
// it, as any connection; from then on one at a time.
type wire struct {
	net.Conn
	head []byte // what was read from it already

	own     bool // fd is used, and Conn is closed
	fd      int
	visits  int // how many reads may still ask the kernel: the others want their turn
	pending *[]byte
	sent    int // bytes of pending
}

// Conn is c, behind head, as a connection that can be relayed. TLS that is to be relayed must lie over it.
func Conn(c net.Conn, head []byte) net.Conn { return &wire{Conn: c, head: head} }

// unwrap finds what lies under a connection.
func unwrap(c net.Conn) (app net.Conn, w *wire) {
	app = c
	if over, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = over.NetConn()
	}
	if w, ok := c.(*wire); ok {
		return app, w
	}
	w = &wire{Conn: c}
	return w, w
}

// detach makes the descriptor the wire's own, without deadlines and without Go's poller.
func (w *wire) detach() error {
	below := w.Conn
	for {
		over, ok := below.(interface{ Under() (net.Conn, []byte) })
		if !ok {
			break
		}
		var head []byte
		below, head = over.Under()
		w.head = append(w.head[:len(w.head):len(w.head)], head...)
	}
	sc, ok := below.(syscall.Conn)
	if !ok {
		return errors.New("relay: the connection has no descriptor")
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		w.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, failed); err != nil {
		return err
	}
	w.own = true
	_ = w.Conn.Close()
	w.Conn = nil
	return nil
}

// again is the error of a read that would wait. TLS takes it for one that passes, and keeps what it has of a record.
type again struct{}

func (again) Error() string   { return "relay: nothing to read yet" }
func (again) Timeout() bool   { return true }
func (again) Temporary() bool { return true }

func (w *wire) Read(p []byte) (int, error) {
	if len(w.head) > 0 {
		n := copy(p, w.head)
		w.head = w.head[n:]
		return n, nil
	}
	if !w.own {
		return w.Conn.Read(p)
	}
	for w.visits > 0 {
		w.visits--
		n, err := unix.Read(w.fd, p)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, again{}
		case err != nil:
			return 0, os.NewSyscallError("read", err)
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
	return 0, again{}
}

func (w *wire) Write(p []byte) (int, error) {
	if !w.own {
		return w.Conn.Write(p)
	}
	n := 0
	if !w.blocked() {
		var err error
		if n, err = w.send(p); err != nil {
			return 0, err
		}
	}
	w.keep(p[n:])
	return len(p), nil
}

// send writes what the kernel takes.
func (w *wire) send(p []byte) (n int, err error) {
	for n < len(p) {
		// Not write: a peer that is gone must be an error and no signal.
		m, err := unix.SendmsgN(w.fd, p[n:], nil, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return n, nil
		case err != nil:
			return n, os.NewSyscallError("write", err)
		default:
			n += m
		}
	}
	return n, nil
}

// room is a little more than a chunk, since TLS adds to it, and to each read the few answers that it may cause.
const room = chunk + chunk/4

// waiting are the buffers of what could not be sent: only a connection whose other side does not read has one.
var waiting = sync.Pool{New: func() any { b := make([]byte, 0, room); return &b }}

func (w *wire) keep(p []byte) {
	if len(p) == 0 {
		return
	}
	if w.pending == nil {
		w.pending, w.sent = waiting.Get().(*[]byte), 0
	}
	*w.pending = append(*w.pending, p...)
}

// blocked reports whether something waits to be sent.
func (w *wire) blocked() bool { return w.pending != nil }

// full reports whether more waits than what one chunk becomes.
func (w *wire) full() bool { return w.blocked() && len(*w.pending) > chunk+chunk/8 }

// flush sends what waits, as far as it goes, and reports whether anything went.
func (w *wire) flush() (progress bool, err error) {
	n, err := w.send((*w.pending)[w.sent:])
	if w.sent += n; err == nil && w.sent == len(*w.pending) {
		w.drop()
	}
	return n > 0, err
}

func (w *wire) drop() {
	if w.pending == nil {
		return
	}
	if *w.pending = (*w.pending)[:0]; cap(*w.pending) <= room {
		waiting.Put(w.pending)
	}
	w.pending = nil
}

// SetWriteDeadline is what TLS does before it says goodbye; who never waits needs none.
func (w *wire) SetWriteDeadline(t time.Time) error {
	if w.own {
		return nil
	}
	return w.Conn.SetWriteDeadline(t)
}

// CloseWrite says that nothing follows.
func (w *wire) CloseWrite() error {
	if w.own {
		return unix.Shutdown(w.fd, unix.SHUT_WR)
	}
	half, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Close ends it.
func (w *wire) Close() error {
	if !w.own {
		return w.Conn.Close()
	}
	w.drop()
	if w.fd < 0 {
		return net.ErrClosed
	}
	fd := w.fd
	w.fd = -1
	return unix.Close(fd)
}
