package socket

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"time"
)

var errFrameTooBig = errors.New("the frame is too big")

// frameReader looks at the frames as they pass: gorilla limits messages but not frames, and does not say when the first
// byte of one has arrived.
type frameReader struct {
	net.Conn
	max      int
	patience time.Duration

	head   [10]byte // of the frame that is beginning; the mask is skipped with the payload
	have   int
	skip   uint64
	tooBig bool
	// armed tells that a read deadline is in force, message that one of a message and not only of a frame.
	armed, message bool

	// mu guards cut and the read deadline: once interrupted, the deadline stays in the past.
	mu  sync.Mutex
	cut bool
}

func (f *frameReader) Read(p []byte) (int, error) {
	if f.tooBig {
		return 0, errFrameTooBig
	}
	if f.armed && !f.message && f.have == 0 && f.skip == 0 {
		f.rest() // what armed was a ping
	}
	n, err := f.Conn.Read(p)
	passed := f.scan(p[:n])
	if f.have > 0 || f.skip > 0 {
		f.arm() // a frame has begun
	}
	if f.tooBig && passed == 0 {
		return 0, errFrameTooBig
	}
	if f.tooBig {
		return passed, nil
	}
	return n, err
}

// scan follows the frames and returns how many bytes may pass.
func (f *frameReader) scan(p []byte) int {
	for i := 0; i < len(p); {
		if f.skip > 0 {
			n := int(min(f.skip, uint64(len(p)-i)))
			f.skip -= uint64(n)
			i += n
			continue
		}
		f.head[f.have] = p[i]
		f.have++
		i++
		if f.have < 2 || f.have < f.headLength() {
			continue
		}
		length := f.length()
		if f.head[0]&0x8 == 0 && length > uint64(f.max) {
			f.tooBig = true
			return max(i-f.have, 0)
		}
		f.skip, f.have = length, 0
		if f.head[1]&0x80 != 0 {
			f.skip += 4
		}
	}
	return len(p)
}

func (f *frameReader) headLength() int {
	switch f.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

func (f *frameReader) length() uint64 {
	switch n := f.head[1] & 0x7f; n {
	case 126:
		return uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		// The highest bit must be zero; gorilla says so to the client. Here it must not overflow.
		return binary.BigEndian.Uint64(f.head[2:]) &^ (1 << 63)
	default:
		return uint64(n)
	}
}

// arm begins the time that a message may take.
func (f *frameReader) arm() {
	if !f.armed {
		f.armed = true
		f.deadline(time.Now().Add(f.patience))
	}
}

// begin says that a message is under way, between that none is.
func (f *frameReader) begin() {
	f.message = true
	f.arm()
}

func (f *frameReader) between() {
	f.message = false
	f.rest()
}

// rest ends the deadline, unless a frame has begun to arrive: that gets a new one.
func (f *frameReader) rest() {
	switch {
	case !f.armed:
	case f.have > 0 || f.skip > 0:
		f.armed = false
		f.arm()
	default:
		f.armed = false
		f.deadline(time.Time{})
	}
}

func (f *frameReader) deadline(t time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.cut {
		_ = f.Conn.SetReadDeadline(t)
	}
}

func (f *frameReader) interrupt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cut = true
	_ = f.Conn.SetReadDeadline(time.Unix(1, 0))
}
