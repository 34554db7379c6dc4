package conformance

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/websocket"
)

// script is a WebSocket under way.
type script struct {
	*run
	conn     *websocket.Conn
	response *http.Response
	refused  error
	messages chan []byte // closed when the connection ends
	ended    error       // why; valid once messages is closed
	// mark tells how many events each function had got before the client last did something.
	mark map[string]int
	// opened is the mark when the connection was opened.
	opened map[string]int
}

// socket opens a WebSocket and plays its script.
func (r *run) socket(ctx context.Context, s *Step) error {
	w := &script{run: r, messages: make(chan []byte, 256)}
	if len(s.Script) == 0 {
		return errors.New("a websocket has a script")
	}
	w.mark = r.marks()
	w.opened = w.mark
	if err := w.open(ctx, s.WebSocket); err != nil {
		return err
	}
	r.scope.connection = w.connection
	defer w.end()
	for i := range s.Script {
		if err := w.play(ctx, &s.Script[i]); err != nil {
			return fmt.Errorf("line %d: %w", i+1, err)
		}
		if s.Script[i].Send != nil && i+1 < len(s.Script) && s.Script[i+1].Send != nil {
			w.pace()
		}
	}
	return nil
}

func (w *script) open(ctx context.Context, s *Socket) (err error) {
	if w.socketAPI, err = w.scope.text(s.API); err != nil {
		return err
	}
	if w.socketStage, err = w.scope.text(s.Stage); err != nil {
		return err
	}
	lines, err := w.headerLines(s.Headers)
	if err != nil {
		return err
	}
	header := http.Header{}
	for _, l := range lines {
		header.Add(l.name, l.value)
	}
	u := url.URL{Scheme: "ws", Host: w.host(w.socketAPI), Path: "/" + w.socketStage}
	if s.Query != nil {
		if u.RawQuery, err = w.formEncoded(s.Query); err != nil {
			return err
		}
	}
	d := websocket.Dialer{HandshakeTimeout: patience, NetDialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, w.target.Data) }}
	w.conn, w.response, w.refused = d.DialContext(ctx, u.String(), header)
	if w.refused != nil {
		if w.response == nil {
			return w.refused
		}
		close(w.messages)
		return nil
	}
	go w.read()
	return nil
}

func (w *script) read() {
	defer close(w.messages)
	for {
		_, text, err := w.conn.ReadMessage()
		if err != nil {
			w.ended = err
			return
		}
		w.messages <- text
	}
}

func (w *script) end() {
	w.scope.connection = nil
	if w.conn == nil {
		return
	}
	_ = w.conn.Close()
	for range w.messages { // until the reader has gone
	}
}

// play does one line of the script.
func (w *script) play(ctx context.Context, e *Entry) error {
	if e.ExpectOpen == nil && w.conn == nil {
		return fmt.Errorf("the handshake was refused with %d", w.response.StatusCode)
	}
	if e.Code != nil && e.ExpectClosed == nil || e.Status != nil && e.ExpectOpen == nil {
		return errors.New("code belongs to expectClosed and status to expectOpen")
	}
	switch {
	case e.ExpectOpen != nil:
		return w.expectOpen(*e.ExpectOpen, e.Status)
	case e.Send != nil:
		return w.send(e.Send)
	case e.Receive != nil:
		return w.receive(e.Receive)
	case e.ReceiveNothingFor != nil:
		return w.silence(time.Duration(*e.ReceiveNothingFor) * time.Millisecond)
	case e.Close != nil:
		return w.close(e.Close.code)
	case e.ExpectClosed != nil:
		return w.expectClosed(e.Code)
	case e.Manage != nil:
		return w.manage(ctx, e.Manage)
	case e.LambdaEvent != nil:
		return w.events(e.LambdaEvent, false, w.mark)
	case e.LambdaEvents != nil:
		return w.events(e.LambdaEvents, true, w.opened)
	}
	return errors.New("the line says nothing")
}

func (w *script) expectOpen(want bool, status *int) error {
	w.looked++
	switch {
	case want != (w.conn != nil):
		return fmt.Errorf("open is %v (%d), want %v", w.conn != nil, w.response.StatusCode, want)
	case status != nil && w.response.StatusCode != *status:
		return fmt.Errorf("handshake status %d, want %d", w.response.StatusCode, *status)
	}
	return nil
}

func (w *script) send(b *Bytes) error {
	text, _, err := w.payload(b)
	if err != nil {
		return err
	}
	w.mark = w.marks()
	if b.Frames > 1 {
		return w.sendFrames(text, b.Frames, b.Base64 != nil)
	}
	if b.Base64 != nil {
		return w.conn.WriteMessage(websocket.BinaryMessage, text)
	}
	return w.conn.WriteMessage(websocket.TextMessage, text)
}

// pace lets a message reach its function before the next is sent: messages of one connection are handled at the same time,
// and a script that looks at their order was recorded over a slower way.
func (w *script) pace() {
	for deadline := time.Now().Add(w.eventually / 10); time.Now().Before(deadline); time.Sleep(pause) {
		if !maps.Equal(w.mark, w.marks()) {
			return
		}
	}
}

// sendFrames writes one message as so many fragments, which no client does by itself. A gateway may hang up before it has
// got them all.
func (w *script) sendFrames(text []byte, frames int, binary bool) error {
	opcode := byte(websocket.TextMessage)
	if binary {
		opcode = websocket.BinaryMessage
	}
	size := (len(text) + frames - 1) / frames
	for i := range frames {
		part := text[min(i*size, len(text)):min((i+1)*size, len(text))]
		if i == frames-1 {
			opcode |= 0x80
		}
		if _, err := w.conn.NetConn().Write(frame(opcode, part)); err != nil && i == 0 {
			return err
		}
		opcode = 0
	}
	return nil
}

// frame is one masked frame.
func frame(head byte, payload []byte) []byte {
	out := []byte{head}
	switch n := len(payload); {
	case n < 126:
		out = append(out, 0x80|byte(n))
	case n < 1<<16:
		out = binary.BigEndian.AppendUint16(append(out, 0x80|126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, 0x80|127), uint64(n))
	}
	var mask [4]byte
	_, _ = rand.Read(mask[:]) // never fails
	out = append(out, mask[:]...)
	for i, c := range payload {
		out = append(out, c^mask[i%4])
	}
	return out
}

func (w *script) receive(want *Bytes) error {
	select {
	case text, ok := <-w.messages:
		if !ok {
			return fmt.Errorf("closed (%w), want a message", w.ended)
		}
		return w.bytes(want, text, false)
	case <-time.After(w.eventually):
		return errors.New("no message came")
	}
}

func (w *script) silence(d time.Duration) error {
	w.looked++
	select {
	case text, ok := <-w.messages:
		if !ok {
			return fmt.Errorf("closed (%w), want silence", w.ended)
		}
		return fmt.Errorf("got %s, want silence", short(string(text)))
	case <-time.After(d):
		return nil
	}
}

func (w *script) close(code int) error {
	w.mark = w.marks()
	text := websocket.FormatCloseMessage(code, "")
	if err := w.conn.WriteControl(websocket.CloseMessage, text, time.Now().Add(w.eventually)); err != nil {
		return err
	}
	_, err := w.awaitEnd()
	return err
}

// awaitEnd waits for the end of the connection and returns the code of the close frame, 0 without one.
func (w *script) awaitEnd() (int, error) {
	late := time.After(w.eventually)
	for {
		select {
		case _, ok := <-w.messages:
			if ok {
				continue
			}
			var e *websocket.CloseError
			if errors.As(w.ended, &e) {
				return e.Code, nil
			}
			return 0, nil
		case <-late:
			return 0, errors.New("the connection is still open")
		}
	}
}

func (w *script) expectClosed(code *int) error {
	w.looked++
	got, err := w.awaitEnd()
	if err == nil && code != nil && got != *code {
		return fmt.Errorf("closed with %d (%w), want %d", got, w.ended, *code)
	}
	return err
}

func (w *script) manage(ctx context.Context, s *Step) error {
	if s.Call == "" {
		return errors.New("manage wants a call")
	}
	if err := w.step(ctx, s); err != nil {
		return err
	}
	return w.settle(ctx)
}

// connection is the id of the connection, as its events tell it.
func (w *script) connection() (string, error) {
	for deadline := time.Now().Add(w.eventually); time.Now().Before(deadline); time.Sleep(pause) {
		for id, f := range w.scope.backends {
			for _, e := range f.since(w.opened[id]) {
				var event struct {
					RequestContext struct{ ConnectionID string }
				}
				if json.Unmarshal(e, &event) == nil && event.RequestContext.ConnectionID != "" {
					return event.RequestContext.ConnectionID, nil
				}
			}
		}
	}
	return "", errors.New("no function was told the connection's id")
}
