package listener

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

func itoa(n int) string { return strconv.Itoa(n) }

// serveFallback gives an HTTP/1.1 request to the fallback handler as net/http would: escaped path and request URI as on
// the wire, canonical header names, the body read before.
func (c *conn) serveFallback(ctx context.Context, x *exchange.Exchange, f http1.Framing) bool {
	if f.Length != 0 {
		if err := c.readBody(x, f, c.s.cfg.MaxFallbackBody); err != nil {
			return c.refuse(x, err)
		}
	}
	r, err := toHTTP(ctx, x)
	if err != nil {
		return c.refuse(x, &http1.Error{Status: http.StatusBadRequest, Reason: "the request target is malformed"})
	}
	w := &writer{c: c, header: http.Header{}, keepAlive: f.KeepAlive && !c.s.leaving.Load(), chunks: x.Request.Protocol == "HTTP/1.1", head: r.Method == http.MethodHead}
	if !c.runFallback(w, r) {
		return false
	}
	w.finish()
	return w.err == nil && w.keepAlive
}

// runFallback reports false when the handler gave the connection up, or panicked.
func (c *conn) runFallback(w *writer, r *http.Request) (ok bool) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		ok = false
		if p == http.ErrAbortHandler {
			return
		}
		c.s.cfg.Logger.Error("the fallback handler panicked", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if !w.started {
			w.buf, w.status, w.keepAlive, w.header = nil, http.StatusInternalServerError, false, http.Header{}
			w.finish()
		}
	}()
	c.s.cfg.Fallback.ServeHTTP(w, r)
	return true
}

// toHTTP copies an exchange into a request of net/http. Handlers may keep it, so nothing in it aliases the exchange.
func toHTTP(ctx context.Context, x *exchange.Exchange) (*http.Request, error) {
	target := strings.Clone(x.Request.Target)
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return nil, err
	}
	body := bytes.Clone(x.Request.Body)
	r := &http.Request{
		Method: strings.Clone(x.Request.Method), URL: u, RequestURI: target, Host: strings.Clone(x.Request.Host),
		Proto: x.Request.Protocol, ProtoMajor: 1, ProtoMinor: 1, Header: make(http.Header, len(x.Request.Headers)),
		Body: http.NoBody, ContentLength: int64(len(body)), RemoteAddr: x.Request.Remote.String(), TLS: x.Request.TLS,
	}
	if x.Request.Protocol == "HTTP/1.0" {
		r.ProtoMinor = 0
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	for _, f := range x.Request.Headers {
		switch name := textproto.CanonicalMIMEHeaderKey(strings.Clone(f.Name)); name {
		case "Host", "Transfer-Encoding", "Trailer":
		default:
			r.Header[name] = append(r.Header[name], strings.Clone(f.Value))
		}
	}
	return r.WithContext(ctx), nil
}

// writer is the http.ResponseWriter of the fallback: a small answer goes out with its length, a large or flushed one in
// chunks.
type writer struct {
	c         *conn
	header    http.Header
	status    int
	buf       []byte
	head      bool
	chunks    bool // the client understands them
	keepAlive bool
	started   bool // the head is out
	chunked   bool
	err       error
}

const writerBuffer = 32 << 10

func (w *writer) Header() http.Header { return w.header }

func (w *writer) WriteHeader(status int) {
	if w.status == 0 && status >= 200 {
		w.status = status
	}
}

func (w *writer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.head || !hasBody(w.status) {
		return len(p), w.err
	}
	w.buf = append(w.buf, p...)
	if len(w.buf) >= writerBuffer {
		w.flush(false)
	}
	return len(p), w.err
}

// Flush sends what was written so far.
func (w *writer) Flush() {
	w.WriteHeader(http.StatusOK)
	w.flush(false)
}

// finish sends the rest of the answer.
func (w *writer) finish() {
	w.WriteHeader(http.StatusOK)
	w.flush(true)
}

func (w *writer) flush(last bool) {
	if w.err != nil {
		return
	}
	out := w.c.out[:0]
	if !w.started {
		w.started = true
		out = w.appendHead(out, last)
	}
	switch {
	case !w.chunked:
		out = append(out, w.buf...)
	case len(w.buf) > 0:
		out = strconv.AppendInt(out, int64(len(w.buf)), 16)
		out = append(append(append(out, "\r\n"...), w.buf...), "\r\n"...)
	}
	if last && w.chunked {
		out = append(out, "0\r\n\r\n"...)
	}
	w.buf = w.buf[:0]
	w.c.touchWrite()
	if len(out) > 0 {
		_, w.err = w.c.net.Write(out)
	}
	if w.c.out = out[:0]; cap(out) > 4*inlineBody {
		w.c.out = nil
	}
}

func (w *writer) appendHead(out []byte, last bool) []byte {
	out = append(strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(w.status), 10), ' ')
	out = append(append(out, http.StatusText(w.status)...), "\r\n"...)
	length := w.header.Get("Content-Length")
	switch {
	case !hasBody(w.status):
		w.header.Del("Content-Length")
	case length != "" && (last || w.head):
	case w.head:
	case last:
		w.header.Set("Content-Length", strconv.Itoa(len(w.buf)))
	case length != "":
	case w.chunks:
		w.chunked = true
		w.header.Set("Transfer-Encoding", "chunked")
	default:
		w.keepAlive = false // the end of the connection is the end of the body
	}
	if _, ok := w.header["Content-Type"]; !ok && len(w.buf) > 0 {
		w.header.Set("Content-Type", http.DetectContentType(w.buf))
	}
	if w.header.Get("Connection") == "close" {
		w.keepAlive = false
	}
	w.header.Del("Connection")
	if !w.keepAlive {
		w.header.Set("Connection", "close")
	}
	if _, ok := w.header["Date"]; !ok {
		w.header["Date"] = []string{w.c.s.now(time.Now())}
	}
	for name, values := range w.header {
		for _, v := range values {
			out = http1.AppendField(out, name, v)
		}
	}
	return append(out, "\r\n"...)
}
