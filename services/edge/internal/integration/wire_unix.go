//go:build unix

package integration

import (
	"io"
	"net"
	"os"
	"syscall"
)

// wire is a TCP connection to a backend, used through its file descriptor: it sends a request and awaits the answer in
// one visit to the network poller. A Write and a Read of net.Conn would try a read that cannot succeed yet in between,
// which is a system call for each request.
type wire struct {
	net.Conn
	raw syscall.RawConn

	held     []byte // a request that goes out before the next read
	sent     int    // bytes of it that went out; below zero before it was tried
	in       []byte
	n        int
	err      error
	transact func(fd uintptr) bool

	look   func(fd uintptr)
	silent bool
	peeked [1]byte
}

func newWire(c net.Conn) *wire {
	w := &wire{Conn: c}
	if sc, ok := c.(syscall.Conn); ok {
		w.raw, _ = sc.SyscallConn()
	}
	w.look = func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), w.peeked[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		w.silent = err == syscall.EAGAIN
	}
	w.transact = func(fd uintptr) bool {
		if w.sent < 0 {
			w.sent = max(0, uninterrupted(syscall.Write, fd, w.held))
			// The poller was armed before the request went out, so the answer cannot slip past it.
			return w.sent < len(w.held)
		}
		w.n, w.err = syscall.Read(int(fd), w.in)
		return w.err != syscall.EAGAIN && w.err != syscall.EINTR
	}
	return w
}

func uninterrupted(call func(int, []byte) (int, error), fd uintptr, p []byte) int {
	for {
		if n, err := call(int(fd), p); err != syscall.EINTR {
			return n
		}
	}
}

// hold keeps a request until the next Read sends it. It reports false when this connection has no descriptor to use.
func (w *wire) hold(request []byte) bool {
	if w.raw == nil {
		return false
	}
	w.held = request
	return true
}

// Read sends the request that is held, if any, and reads what comes. The error is errUnsent when no byte of it left.
func (w *wire) Read(p []byte) (int, error) {
	request := w.held
	if request == nil {
		return w.Conn.Read(p)
	}
	w.in, w.sent, w.n, w.err = p, -1, 0, nil
	err := w.raw.Read(w.transact)
	w.in, w.held = nil, nil
	switch {
	case err != nil:
		return 0, err
	case w.sent == 0:
		return 0, errUnsent
	case w.sent < len(request):
		_, _ = w.Write(request[w.sent:]) // whatever becomes of it, an answer counts
		return w.Conn.Read(p)
	case w.err != nil:
		return 0, os.NewSyscallError("read", w.err)
	case w.n == 0:
		return 0, io.EOF
	}
	return w.n, nil
}

// quiet reports whether the connection is open and silent: only then may it carry the next request.
func (w *wire) quiet() bool {
	if w.raw == nil {
		return true
	}
	w.silent = false
	return w.raw.Control(w.look) == nil && w.silent
}
