// Package tunnel passes bytes between the TCP connections of a client and a replica, both ways, until both have said that they
// are done, or until one of them holds it up for too long.
//
// Most connections stand still most of the time, WebSockets above all. Such a one holds no buffer and no pipe: io.Copy
// would hold a pipe for each direction, and the process would run out of descriptors at a third of the connections.
package tunnel

import (
	"cmp"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// lingerTime is how long a client may stay after the replica has said its last: its own end may never come.
	lingerTime = 5 * time.Second
	// stallTime, twice, is how long a side may take nothing of what waits for it. It is more than an edge grants a WebSocket's
	// client, which so learns from the edge why it ends, and more than an integration takes, while which an edge reads nothing.
	stallTime = 30 * time.Second
)

// Buffers are those of all tunnels of a process. The zero value is ready.
type Buffers struct {
	pool          sync.Pool
	linger, stall time.Duration // 0 are lingerTime and stallTime
}

// bufferSize is as much as one read takes.
const bufferSize = 32 << 10

func (b *Buffers) get() *[bufferSize]byte {
	if p, ok := b.pool.Get().(*[bufferSize]byte); ok {
		return p
	}
	return new([bufferSize]byte)
}

// Join passes bytes between a client and a replica and returns when both directions have ended. The end of one side is passed
// on as that, so that the other may still answer: the replica as long as it takes, the client, who has its answer, for a few
// seconds. A side that breaks, or takes nothing for about a minute, ends both. It closes client and replica.
func (b *Buffers) Join(client, replica *net.TCPConn) {
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
	wg.Go(func() {
		pass(client, replica)
		_ = client.SetReadDeadline(time.Now().Add(cmp.Or(b.linger, lingerTime)))
	})
	pass(replica, client)
	wg.Wait()
	_ = client.Close()
	_ = replica.Close()
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
		err = b.write(to, buf[:n])
		b.pool.Put(buf)
		switch {
		case n == 0:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return err
		case err != nil:
			return errWrite
		}
	}
}

// write gives up when to takes nothing, twice in a row: the system wakes a writer only when a good part of its buffer is free,
// so that only the second attempt shows what a slow reader took during the first.
func (b *Buffers) write(to *net.TCPConn, p []byte) error {
	for stalled := false; len(p) > 0; {
		_ = to.SetWriteDeadline(time.Now().Add(cmp.Or(b.stall, stallTime)))
		n, err := to.Write(p)
		p = p[n:]
		if err != nil && (!errors.Is(err, os.ErrDeadlineExceeded) || stalled && n == 0) {
			return err
		}
		stalled = n == 0
	}
	return nil
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
