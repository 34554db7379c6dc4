package conformance

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"time"
)

// plainServer serves HTTP/1.1 and takes every header as it comes: net/http's server answers some of them by itself, and
// cases map any header to a backend.
type plainServer struct {
	listener net.Listener
	handler  http.Handler

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newPlainServer(l net.Listener, h http.Handler) *plainServer {
	s := &plainServer{listener: l, handler: h, conns: map[net.Conn]bool{}}
	go s.accept()
	return s
}

func (s *plainServer) accept() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return // closed
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		go s.serve(c)
	}
}

// Close ends it and its connections.
func (s *plainServer) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close()
	}
	return err
}

func (s *plainServer) serve(c net.Conn) {
	defer func() {
		_ = c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	in := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		r.RemoteAddr = c.RemoteAddr().String()
		if strings.EqualFold(r.Header.Get("Expect"), "100-continue") {
			if _, err := io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
				return
			}
		}
		if err := s.answer(c, r); err != nil || r.Close {
			return
		}
	}
}

func (s *plainServer) answer(c net.Conn, r *http.Request) error {
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return err
	}
	header := w.Header()
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	if w.Code != http.StatusNoContent && w.Code != http.StatusNotModified {
		header.Set("Content-Length", strconv.Itoa(w.Body.Len()))
	}
	var out bytes.Buffer
	out.WriteString("HTTP/1.1 " + strconv.Itoa(w.Code) + " " + http.StatusText(w.Code) + "\r\n")
	_ = header.Write(&out) // a buffer takes everything
	out.WriteString("\r\n")
	if r.Method != http.MethodHead {
		out.Write(w.Body.Bytes())
	}
	_, err := c.Write(out.Bytes())
	return err
}
