// Package http1 reads HTTP/1.1 messages strictly: the head of a request or a response straight into ordered fields, and
// bodies by length or by chunks. The listener and the upstream client share it, so that both sides of the edge frame
// messages by the same rules.
//
// It refuses what two parsers could read differently: bare line feeds, folded lines, space before a colon, several or
// odd lengths, length together with transfer coding. It parses each byte once and neither decodes nor normalises. The
// surprise: fields alias the reader's buffer and are valid until Next.
package http1

import (
	"bytes"
	"errors"
	"io"
)

// Error is a message that cannot be read: the status to answer with, and why. The connection must be closed.
type Error struct {
	Status int
	Reason string
}

func (e *Error) Error() string { return e.Reason }

func bad(reason string) *Error { return &Error{400, reason} }

// Limits bound what a reader accepts.
type Limits struct {
	Target int // length of a request target
	Head   int // bytes of all header lines, with names and separators
}

// maxStartLine is what a start line may hold beside the target: method, spaces, version.
const maxStartLine = 64

// Reader reads messages from a connection. It is not safe for concurrent use.
type Reader struct {
	src    io.Reader
	buf    []byte
	r, w   int // unread bytes are buf[r:w]
	pin    int // bytes below are aliased by the current message and stay where they are
	max    int
	limits Limits
}

// NewReader reads from src with a buffer of size bytes that grows to at most limit bytes for a large head.
func NewReader(src io.Reader, size, limit int, limits Limits) *Reader {
	return &Reader{src: src, buf: make([]byte, size), max: limit, limits: limits}
}

// Reset starts on another connection and keeps the memory.
func (b *Reader) Reset(src io.Reader) { b.src, b.r, b.w, b.pin = src, 0, 0, 0 }

// Buffered are the bytes that were read from the connection but not yet consumed.
func (b *Reader) Buffered() []byte { return b.buf[b.r:b.w] }

// Next ends the current message: its fields are no longer valid.
func (b *Reader) Next() {
	b.pin = 0
	if b.r == b.w {
		b.r, b.w = 0, 0
	}
}

// Wait returns when at least n unread bytes are there.
func (b *Reader) Wait(n int) error {
	for b.w-b.r < n {
		if err := b.fill(); err != nil {
			return err
		}
	}
	return nil
}

var errBufferFull = errors.New("http1: buffer full")

// fill reads more bytes behind the unread ones.
func (b *Reader) fill() error {
	if b.w == len(b.buf) {
		if err := b.makeRoom(); err != nil {
			return err
		}
	}
	n, err := b.src.Read(b.buf[b.w:])
	b.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

func (b *Reader) makeRoom() error {
	if b.r > b.pin {
		b.w = b.pin + copy(b.buf[b.pin:], b.buf[b.r:b.w])
		b.r = b.pin
		return nil
	}
	if b.pin > 0 || len(b.buf) >= b.max {
		return errBufferFull
	}
	grown := make([]byte, min(2*len(b.buf), b.max))
	copy(grown, b.buf[:b.w])
	b.buf = grown
	return nil
}

// head reads up to and including the empty line and pins it. One empty line before it is skipped when blank is set.
func (b *Reader) head(blank bool) ([]byte, error) {
	if err := b.begin(blank); err != nil {
		return nil, err
	}
	line, at, first := 0, 0, 0 // relative to b.r: start of the current line, where to search on, end of the start line
	for {
		unread := b.buf[b.r:b.w]
		i := bytes.IndexByte(unread[at:], '\n')
		if i < 0 {
			if err := b.tooLong(len(unread), first); err != nil {
				return nil, err
			}
			at = len(unread)
			if err := b.fill(); err != nil {
				return nil, unfinished(err)
			}
			continue
		}
		end := at + i + 1
		if err := b.tooLong(end-1, first); err != nil {
			return nil, err
		}
		if end-line < 2 || unread[end-2] != '\r' {
			return nil, bad("a line ends in a bare line feed")
		}
		if end-line == 2 {
			return b.take(end, first)
		}
		if first == 0 {
			first = end
		}
		line, at = end, end
	}
}

// begin skips an empty line and looks at the first byte, so that what is not HTTP is refused at once.
func (b *Reader) begin(blank bool) error {
	if err := b.Wait(1); err != nil {
		return err
	}
	if blank && b.buf[b.r] == '\r' {
		if err := b.Wait(3); err != nil {
			return err
		}
		if b.buf[b.r+1] == '\n' {
			b.r += 2
		}
	}
	if !isToken(b.buf[b.r]) {
		return bad("the message does not begin with a token")
	}
	return nil
}

func (b *Reader) take(end, first int) ([]byte, error) {
	if end-first-2 > b.limits.Head {
		return nil, &Error{431, "the header lines are too long"}
	}
	head := b.buf[b.r : b.r+end]
	b.r += end
	b.pin = b.r
	return head, nil
}

// tooLong refuses a head that exceeds its limits before it is complete.
func (b *Reader) tooLong(unread, first int) error {
	switch {
	case first == 0 && unread > b.limits.Target+maxStartLine:
		return &Error{414, "the URL is too long"}
	case first > 0 && unread-first > b.limits.Head+2:
		return &Error{431, "the header lines are too long"}
	}
	return nil
}

func unfinished(err error) error {
	switch err {
	case errBufferFull:
		return &Error{431, "the header lines are too long"}
	case io.EOF:
		return bad("the connection ended inside the header lines")
	}
	return err
}

// AppendBody reads a body of the given framing and at most limit bytes, and appends it to dst.
func (b *Reader) AppendBody(dst []byte, length int64, limit int) ([]byte, error) {
	switch {
	case length == Chunked:
		return b.appendChunks(dst, limit)
	case length == UntilClose:
		return b.appendRest(dst, limit)
	case length > int64(limit):
		return dst, errTooLarge
	}
	return b.appendExactly(dst, int(length))
}

var errTooLarge = &Error{413, "the body is too large"}

// How long a body is when it is not a number of bytes.
const (
	Chunked    int64 = -1
	UntilClose int64 = -2
)

func (b *Reader) appendExactly(dst []byte, n int) ([]byte, error) {
	have := min(n, b.w-b.r)
	if n > cap(dst)-len(dst) {
		grown := make([]byte, len(dst), len(dst)+n)
		copy(grown, dst)
		dst = grown
	}
	dst = append(dst, b.buf[b.r:b.r+have]...)
	b.r += have
	start := len(dst)
	dst = dst[:start+n-have]
	got, err := io.ReadFull(b.src, dst[start:])
	if err != nil {
		return dst[:start+got], ended(err)
	}
	return dst, nil
}

func ended(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return bad("the connection ended inside the body")
	}
	return err
}

func (b *Reader) appendRest(dst []byte, limit int) ([]byte, error) {
	for {
		dst = append(dst, b.buf[b.r:b.w]...)
		b.r = b.w
		if len(dst) > limit {
			return dst, errTooLarge
		}
		if err := b.fill(); err == io.EOF {
			return dst, nil
		} else if err != nil {
			return dst, err
		}
	}
}
