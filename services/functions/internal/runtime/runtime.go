// Package runtime serves the Lambda Runtime API to one function process: the HTTP interface by which every Lambda runtime
// fetches invocations and posts results. An unmodified function program finds it by AWS_LAMBDA_RUNTIME_API.
//
// It starts no process and knows no time-outs: internal/pool does.
//
// The surprise: a process is free again when it asks for the next invocation, not when it has answered the last one. A
// program that panics posts its error first and dies afterwards; whoever gave it new work in between would lose it.
package runtime

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// MaxResponse is Lambda's limit on a synchronous answer.
const MaxResponse = 6291556

// Invocation is one event on its way to a process.
type Invocation struct {
	RequestID     string
	FunctionARN   string // as invoked, with its qualifier
	TraceID       string
	ClientContext string // JSON, as runtimes expect it
	Deadline      time.Time
	Payload       []byte
}

// Outcome is what a process made of it. With Failed the payload is Lambda's error object.
type Outcome struct {
	Payload []byte
	Failed  bool
}

// Server is the Runtime API of one process. Its methods may be called from several goroutines, but it takes one
// invocation at a time.
type Server struct {
	listener net.Listener
	http     *http.Server
	queue    chan *pending
	done     chan struct{}
	asked    chan struct{} // a token for each time the process asks for work

	mu        sync.Mutex
	current   *pending
	initError []byte
	closed    bool
}

type pending struct {
	Invocation
	outcome chan Outcome // room for one, so that whoever answers never waits
	fetched bool         // by the process; guarded by the server's lock
}

// ErrBusy is the answer to a second invocation at the same time.
var ErrBusy = errors.New("runtime: the process has an invocation already")

// New listens on a free port of the loopback address; nothing is served before Serve.
func New() (*Server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &Server{listener: l, queue: make(chan *pending, 1), done: make(chan struct{}), asked: make(chan struct{}, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", s.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", s.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", s.failure)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", s.initFailure)
	s.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	return s, nil
}

// Addr is the value of AWS_LAMBDA_RUNTIME_API.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Serve blocks until Close.
func (s *Server) Serve() error {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Close ends Serve and every request of the process. It may be called twice.
func (s *Server) Close() {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	if first {
		close(s.done)
	}
	// Also when Serve was never called: then only the listener is closed.
	s.http.Close()
	s.listener.Close()
}

// Asked yields a token each time the process asks for work, the first of them being the end of its initialisation.
func (s *Server) Asked() <-chan struct{} { return s.asked }

// InitError is what the process posted about its failed initialisation.
func (s *Server) InitError() ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.initError, s.initError != nil
}

// Invoke queues an invocation. Its outcome comes when the process posts it, and never if the process dies before.
func (s *Server) Invoke(inv Invocation) (<-chan Outcome, error) {
	p := &pending{Invocation: inv, outcome: make(chan Outcome, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil {
		return nil, ErrBusy
	}
	s.current = p
	s.queue <- p // has room: only the current one is ever in it
	return p.outcome, nil
}

// Withdraw takes the invocation back, and reports whether the process had not fetched it: then another may have it.
func (s *Server) Withdraw() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.current
	s.current = nil
	select {
	case <-s.queue:
	default:
	}
	return p != nil && !p.fetched
}

// fetch marks an invocation as handed out, unless the process that asked for it has gone: then it waits for the next one.
func (s *Server) fetch(ctx context.Context, p *pending) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != p {
		return false // withdrawn
	}
	if ctx.Err() != nil {
		s.queue <- p
		return false
	}
	p.fetched = true
	return true
}

func (s *Server) next(w http.ResponseWriter, r *http.Request) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	var p *pending
	select {
	case p = <-s.queue:
	case <-r.Context().Done():
		return
	case <-s.done:
		return
	}
	if !s.fetch(r.Context(), p) {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", p.RequestID)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(p.Deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", p.FunctionARN)
	if p.TraceID != "" {
		h.Set("Lambda-Runtime-Trace-Id", p.TraceID)
	}
	if p.ClientContext != "" {
		h.Set("Lambda-Runtime-Client-Context", p.ClientContext)
	}
	h.Set("Content-Length", strconv.Itoa(len(p.Payload)))
	w.Write(p.Payload)
}

func (s *Server) response(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse+1))
	if err != nil {
		return // the process broke off; its exit is the outcome
	}
	if len(body) > MaxResponse {
		s.answer(r.PathValue("id"), Outcome{Payload: []byte(tooLarge), Failed: true})
		reply(w, http.StatusRequestEntityTooLarge, `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`)
		return
	}
	// A streaming runtime tells of a failure halfway in trailers; buffered, the whole answer is then the failure.
	failed := r.Trailer.Get("Lambda-Runtime-Function-Error-Type") != ""
	s.accept(w, r, Outcome{Payload: body, Failed: failed})
}

const tooLarge = `{"errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes).","errorType":"Function.ResponseSizeTooLarge"}`

func (s *Server) failure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse))
	if err != nil {
		return
	}
	s.accept(w, r, Outcome{Payload: body, Failed: true})
}

func (s *Server) accept(w http.ResponseWriter, r *http.Request, o Outcome) {
	if !s.answer(r.PathValue("id"), o) {
		reply(w, http.StatusBadRequest, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`)
		return
	}
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
}

// answer delivers an outcome, once, to the invocation of that id.
func (s *Server) answer(id string, o Outcome) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.current
	if p == nil || p.RequestID != id {
		return false
	}
	s.current = nil
	p.outcome <- o
	return true
}

func (s *Server) initFailure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponse))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.initError = append([]byte{}, body...)
	s.mu.Unlock()
	reply(w, http.StatusAccepted, `{"status":"OK"}`)
	select {
	case s.asked <- struct{}{}:
	default:
	}
}

func reply(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}
