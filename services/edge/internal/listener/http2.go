package listener

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

// handoff is the listener of the HTTP/2 server: it accepts what the accept loops give it.
type handoff struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newHandoff() *handoff { return &handoff{conns: make(chan net.Conn), done: make(chan struct{})} }

// give passes a connection on and reports whether it was taken.
func (h *handoff) give(c net.Conn) bool {
	_ = c.SetDeadline(time.Time{})
	select {
	case h.conns <- c:
		return true
	case <-h.done:
		return false
	}
}

func (h *handoff) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.done:
		return nil, net.ErrClosed
	}
}

func (h *handoff) Close() error {
	h.once.Do(func() { close(h.done) })
	return nil
}

func (h *handoff) Addr() net.Addr { return &net.TCPAddr{} }

func (s *Server) newHTTP2() *http.Server {
	var p http.Protocols
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: http.HandlerFunc(s.serveHTTP2), Protocols: &p, MaxHeaderBytes: 2 * (s.cfg.MaxHead + s.cfg.MaxTarget),
		ReadHeaderTimeout: s.cfg.HeadTimeout, IdleTimeout: s.cfg.IdleTimeout, ErrorLog: nil,
		// No stream can be reset on a connection that takes nothing more.
		HTTP2: &http.HTTP2Config{WriteByteTimeout: s.cfg.WriteTimeout},
	}
}

// serveHTTP2 adapts a request of net/http. Go keeps no order of header fields there: names are in order of the alphabet
// and lower case, values of one name in their order (foundations 6.1).
func (s *Server) serveHTTP2(w http.ResponseWriter, r *http.Request) {
	if s.leaving.Load() {
		w.Header()["Connection"] = []string{"close"} // net/http makes it a GOAWAY
	}
	x := exchange.New()
	defer x.Release()
	err := s.fill(x, r)
	x.AssignIDs(s.cfg.Number())
	if err == nil && s.cfg.Fallback != nil && !s.cfg.Handler.Claims(x) {
		s.cfg.Fallback.ServeHTTP(w, r)
		return
	}
	if err == nil {
		err = s.readHTTP2(x, w, r)
	}
	var refused *http1.Error
	switch {
	case err == nil:
		s.serve(r.Context(), x)
	case errors.As(err, &refused):
		refusal(x, refused)
	default:
		return
	}
	s.respondHTTP2(w, x)
}

func (s *Server) fill(x *exchange.Exchange, r *http.Request) error {
	q := &x.Request
	q.Received, q.TLS, q.Method, q.Host, q.Protocol = time.Now(), r.TLS, r.Method, r.Host, "HTTP/2.0"
	q.Remote, _ = netip.ParseAddrPort(r.RemoteAddr)
	if a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); ok {
		q.LocalPort = uint16(a.Port)
	}
	size := 0
	for name, values := range r.Header {
		lower := strings.ToLower(name)
		for _, v := range values {
			q.Headers = append(q.Headers, exchange.Field{Name: lower, Value: v})
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if r.Host != "" {
		q.Headers = append(q.Headers, exchange.Field{Name: "host", Value: r.Host})
	}
	slices.SortStableFunc(q.Headers, func(a, b exchange.Field) int { return strings.Compare(a.Name, b.Name) })
	s.cfg.Forwarded.Apply(q)
	switch {
	case len(r.RequestURI) > s.cfg.MaxTarget:
		return &http1.Error{Status: http.StatusRequestURITooLong, Reason: "the URL is too long"}
	case size > s.cfg.MaxHead:
		return &http1.Error{Status: http.StatusRequestHeaderFieldsTooLarge, Reason: "the header lines are too long"}
	}
	return http1.SplitTarget(q, r.RequestURI)
}

func (s *Server) readHTTP2(x *exchange.Exchange, w http.ResponseWriter, r *http.Request) error {
	tooLarge := &http1.Error{Status: http.StatusRequestEntityTooLarge, Reason: "the body is too large"}
	if r.ContentLength > int64(s.cfg.MaxBody) {
		return tooLarge
	}
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout)) // nothing is read behind the body
	body := x.BodyBuffer()
	for src := io.LimitReader(r.Body, int64(s.cfg.MaxBody)+1); ; {
		if len(body) == cap(body) {
			body = slices.Grow(body, max(4096, len(body)))
		}
		n, err := src.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err == io.EOF {
			break
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return late()
		}
		if err != nil {
			return err
		}
	}
	x.StoreBody(body)
	if len(body) > s.cfg.MaxBody {
		return tooLarge
	}
	return nil
}

func (s *Server) respondHTTP2(w http.ResponseWriter, x *exchange.Exchange) {
	h, now := w.Header(), time.Now()
	h["Date"] = []string{s.now(now)}
	h["X-Amzn-Requestid"] = []string{strings.Clone(x.RequestID)}
	h["X-Amz-Apigw-Id"] = []string{strings.Clone(x.ExtendedID)}
	for _, f := range x.Response.Headers {
		if !ownedByListener(f.Name) {
			h.Add(strings.Clone(f.Name), string(http1.AppendValue(nil, f.Value)))
		}
	}
	body := x.Response.Body
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // or net/http would guess one
	}
	if hasBody(x.Response.Status) {
		h["Content-Length"] = []string{itoa(len(body))}
	} else {
		body = nil
	}
	if x.Request.WireMethod() == http.MethodHead {
		body = nil
	}
	s.closed(x, len(body), now)
	_ = http.NewResponseController(w).SetWriteDeadline(now.Add(s.cfg.WriteTimeout)) // the end of the stream lifts it
	w.WriteHeader(x.Response.Status)
	if len(body) > 0 {
		_, _ = w.Write(body)
	}
}
