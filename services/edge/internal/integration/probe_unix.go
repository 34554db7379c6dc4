//go:build unix

package integration

import (
	"net"
	"syscall"
)

// probe looks whether the other side of an idle connection has closed it or said something unasked.
type probe struct {
	raw    syscall.RawConn
	look   func(fd uintptr)
	silent bool
	buf    [1]byte
}

func newProbe(c net.Conn) *probe {
	p := &probe{}
	if sc, ok := c.(syscall.Conn); ok {
		p.raw, _ = sc.SyscallConn()
	}
	p.look = func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), p.buf[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		p.silent = err == syscall.EAGAIN
	}
	return p
}

// quiet reports whether the connection is open and silent: only then may it carry the next request.
func (p *probe) quiet() bool {
	if p.raw == nil {
		return true
	}
	p.silent = false
	return p.raw.Control(p.look) == nil && p.silent
}
