// Package socket is one WebSocket: frames and their limits, whole messages, close codes. It is the only place that knows
// gorilla/websocket, which does the protocol; what AWS does otherwise is here: frames of at most 32 KB, text only, no
// extensions, its own 101 (spec/websocket.md 5).
//
// A Conn has no goroutine and, while nothing arrives, no buffer but a reader of 257 bytes: who owns it may call Read only
// when bytes are there. The surprise: an error of Read is final, whatever it was.
package socket

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// The close codes of spec/websocket.md 5.
const (
	Normal      = 1000
	GoingAway   = 1001
	Protocol    = 1002
	Unsupported = 1003
	NoStatus    = 1005
	Abnormal    = 1006
	Invalid     = 1007
	TooBig      = 1009
	Restart     = 1012
)

// Limits of a socket; all must be set.
type Limits struct {
	Message int
	Frame   int
	// MessageTime is how long a message may take from its first byte to its end.
	MessageTime time.Duration
	// WriteTime is how long a frame may take to leave; a client that takes nothing for so long is lost.
	WriteTime time.Duration
}

// Closed is why Read ended.
type Closed struct {
	Code   int
	Reason string
	// Told says that the other side needs no close frame any more: it began, it was told already, or it is not there.
	Told bool
	// Began says that the other side closed, and has its answer.
	Began bool
}

func (c *Closed) Error() string { return "the connection is closed: " + c.Reason }

// Conn is one WebSocket. One goroutine may call Read, another Write; Interrupt and Close may be called by any.
type Conn struct {
	ws     *websocket.Conn
	raw    net.Conn
	frames *frameReader
	limits Limits
}

// buffers are shared by all sockets: only one that writes has one.
var buffers = &sync.Pool{}

// smallReader is just more than 256 bytes; of a smaller one gorilla would make one of 4 KB (foundations 8.1).
const smallReader = 257

// Open answers the handshake with 101 and returns the socket. The connection is closed when it fails.
func Open(c net.Conn, key, subprotocol string, limits Limits) (*Conn, error) {
	f := &frameReader{Conn: c, max: limits.Frame, patience: limits.MessageTime}
	first := &firstWrite{frameReader: f, head: switching(key, subprotocol)}
	u := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }, WriteBufferPool: buffers, WriteBufferSize: 4096}
	r := &http.Request{Method: http.MethodGet, Header: http.Header{
		"Connection": {"upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {key},
	}}
	_ = c.SetWriteDeadline(time.Now().Add(limits.WriteTime))
	ws, err := u.Upgrade(hijacked{first}, r, nil)
	if err == nil {
		err = first.err
	}
	if err != nil {
		_ = c.Close()
		return nil, err
	}
	_ = c.SetDeadline(time.Time{})
	ws.SetReadLimit(int64(limits.Message))
	return &Conn{ws: ws, raw: c, frames: f, limits: limits}, nil
}

// switching is the 101 as AWS writes it.
func switching(key, subprotocol string) []byte {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	head := "HTTP/1.1 101 Switching Protocols\r\nDate: " + time.Now().UTC().Format(http.TimeFormat) +
		"\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: " + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n"
	// The value comes from a function: it must not bring header lines of its own.
	if subprotocol != "" && !strings.ContainsAny(subprotocol, "\r\n\x00") {
		head += "Sec-WebSocket-Protocol: " + subprotocol + "\r\n"
	}
	return []byte(head + "\r\n")
}

// firstWrite replaces gorilla's 101 by ours.
type firstWrite struct {
	*frameReader
	head []byte
	err  error
}

func (f *firstWrite) Write(p []byte) (int, error) {
	if f.head == nil {
		return f.frameReader.Write(p)
	}
	_, f.err = f.frameReader.Write(f.head)
	f.head = nil
	return len(p), f.err
}

// SetDeadline keeps the deadline of the 101: gorilla would take it away.
func (f *firstWrite) SetDeadline(t time.Time) error {
	if f.head != nil {
		return nil
	}
	return f.frameReader.SetDeadline(t)
}

// hijacked gives gorilla the connection.
type hijacked struct{ conn *firstWrite }

func (hijacked) Header() http.Header         { return http.Header{} }
func (hijacked) Write(b []byte) (int, error) { return len(b), nil }
func (hijacked) WriteHeader(int)             {}
func (h hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.conn, bufio.NewReadWriter(bufio.NewReaderSize(h.conn, smallReader), bufio.NewWriterSize(io.Discard, 16)), nil
}

// Read returns the next whole text message. Its error is always a *Closed.
func (c *Conn) Read() (string, error) {
	c.frames.between()
	kind, r, err := c.ws.NextReader()
	if err != nil {
		return "", c.closed(err)
	}
	if kind != websocket.TextMessage {
		return "", &Closed{Code: Unsupported, Reason: "Binary frames are not supported"}
	}
	c.frames.begin()
	b := assembling.Get().(*bytes.Buffer)
	defer forget(b)
	if _, err := b.ReadFrom(r); err != nil {
		return "", c.closed(err)
	}
	if !utf8.Valid(b.Bytes()) {
		return "", &Closed{Code: Invalid, Reason: "Invalid UTF-8"}
	}
	return b.String(), nil
}

// assembling are the buffers of messages that are arriving: only a socket whose message is under way has one.
var assembling = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// keptBuffer is the largest that is kept: a rare long message must not pin memory.
const keptBuffer = 16 << 10

func forget(b *bytes.Buffer) {
	if b.Cap() <= keptBuffer {
		b.Reset()
		assembling.Put(b)
	}
}

// closed says in AWS's terms why reading ended.
func (c *Conn) closed(err error) *Closed {
	var e *websocket.CloseError
	switch {
	case c.frames.tooBig:
		return &Closed{Code: TooBig, Reason: "Frame too big"}
	case errors.Is(err, websocket.ErrReadLimit):
		return &Closed{Code: TooBig, Reason: "Message too big", Told: true}
	case errors.As(err, &e) && e.Code == websocket.CloseNoStatusReceived:
		return &Closed{Code: NoStatus, Reason: "Client-side close frame status not set", Told: true, Began: true}
	case errors.As(err, &e) && e.Code == websocket.CloseAbnormalClosure:
		return &Closed{Code: Abnormal, Told: true}
	case errors.As(err, &e):
		return &Closed{Code: e.Code, Reason: e.Text, Told: true, Began: true}
	case strings.HasPrefix(err.Error(), "websocket: "):
		return &Closed{Code: Protocol, Reason: strings.TrimPrefix(err.Error(), "websocket: "), Told: true}
	}
	return &Closed{Code: Abnormal, Told: true}
}

// frameOut is the largest frame that is sent.
const frameOut = 32 << 10

// Write sends one text message.
func (c *Conn) Write(text []byte) error {
	_ = c.ws.SetWriteDeadline(time.Now().Add(c.limits.WriteTime))
	if len(text) <= frameOut {
		return c.ws.WriteMessage(websocket.TextMessage, text)
	}
	w, err := c.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return err
	}
	for len(text) > 0 {
		n := min(len(text), frameOut)
		if _, err := w.Write(text[:n]); err != nil {
			return err
		}
		text = text[n:]
	}
	return w.Close()
}

// Interrupt makes a Read that waits return.
func (c *Conn) Interrupt() { c.frames.interrupt() }

// closeTime is how long the other side gets to see a close frame.
const closeTime = time.Second

// Close ends the connection; when the other side was not told, with a close frame. The socket itself is closed by linger,
// which takes a moment.
func (c *Conn) Close(end *Closed) (linger func()) {
	deadline := time.Now().Add(closeTime)
	gone := func() { _ = c.raw.Close() }
	if end.Code == Abnormal || end.Began {
		return gone
	}
	if !end.Told && c.ws.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(end.Code, clipped(end.Reason)), deadline) != nil {
		return gone
	}
	half, ok := c.raw.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return gone
	}
	return func() { c.drain(deadline) }
}

// drain reads the rest for a moment: closing with unread bytes would reset the connection and could destroy the close frame
// on its way.
func (c *Conn) drain(deadline time.Time) {
	defer func() { _ = c.raw.Close() }()
	_ = c.raw.SetReadDeadline(deadline)
	buf := make([]byte, 512)
	for range 1024 {
		if _, err := c.raw.Read(buf); err != nil {
			return
		}
	}
}

// clipped keeps a reason inside a control frame.
func clipped(reason string) string {
	if len(reason) > 123 {
		reason = strings.ToValidUTF8(reason[:123], "")
	}
	return reason
}
