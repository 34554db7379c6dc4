// Package tunnel passes bytes between two TCP connections, both ways, until both have said that they are done.
//
// Most connections stand still most of the time, WebSockets above all. Such a one holds no buffer and no pipe: io.Copy
// would hold a pipe for each direction, and the process would run out of descriptors at a third of the connections.
package tunnel

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// Buffers are those of all tunnels of a process. The zero value is ready.
type Buffers struct{ pool sync.Pool }

// bufferSize is as much as one read takes.
const bufferSize = 32 << 10

func (b *Buffers) get() *[bufferSize]byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p
	}
	return new([bufferSize]byte)
}

// Join passes bytes between a and b and returns when both directions have ended. The end of one side is passed on as that,
// so that the other may still answer; a side that breaks ends both. It closes a and b.
func (b *Buffers) Join(one, other *net.TCPConn) {
	var wg sync.WaitGroup
	pass := func(to, from *net.TCPConn) {
		err := b.copy(to, from)
		switch {
		case err == nil:
			_ = to.CloseWrite()
		case errors.Is(err, errWrite):
			// to is dead, or took what it wanted and answers: the other direction ends with what it still says.
		default:
			_ = to.Close()
			_ = from.Close()
		}
	}
	wg.Go(func() { pass(one, other) })
	pass(other, one)
	wg.Wait()
	_ = one.Close()
	_ = other.Close()
}

// errWrite says that it was the writing side that failed.
var errWrite = errors.New("write failed")

func (b *Buffers) copy(to, from *net.TCPConn) error {
	raw, err := from.SyscallConn()
	if err != nil {
		return err
	}
	for {
		buf, n, err := b.read(raw)
		if err != nil {
			return err
		}
		if n > 0 {
			_, err = to.Write(buf[:n])
		}
		b.pool.Put(buf)
		switch {
		case n == 0:
			return nil
		case err != nil:
			return errWrite
		}
	}
}

// read waits until there is something and takes a buffer only then; n is 0 at the end.
func (b *Buffers) read(raw syscall.RawConn) (buf *[bufferSize]byte, n int, err error) {
	var failed error
	err = raw.Read(func(fd uintptr) bool {
		buf = b.get()
		for {
			n, failed = syscall.Read(int(fd), buf[:])
			if failed != syscall.EINTR {
				break
			}
		}
		if failed == syscall.EAGAIN {
			b.pool.Put(buf)
			return false
		}
		return true
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return nil, 0, err
	}
	return buf, n, nil
}
