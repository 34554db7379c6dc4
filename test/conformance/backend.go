package conformance

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// fake is a backend of one case. It keeps what it got.
type fake struct {
	Backend
	id, url, arn, name string
	issuer             *issuer
	standIn            standIn

	mu     sync.Mutex
	got    [][]byte
	server io.Closer
}

// since are the events, or the bodies of requests, that came after the first n.
func (f *fake) since(n int) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.got[min(n, len(f.got)):])
}

func (f *fake) keep(event []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.got = append(f.got, event)
}

// cannotFake says why a case is skipped: a backend that nothing here can stand in for. It is empty when there is none.
func cannotFake(c *Case) string {
	for _, id := range slices.Sorted(maps.Keys(c.Backends)) {
		b := c.Backends[id]
		known := standIns[b.Kind] != nil || b.Kind == "oidc"
		switch b.Kind {
		case "lambda":
			known = lambdas[b.Behaviour] != nil
		case "http":
			known = servers[b.Behaviour] != nil
		}
		if !known {
			return strings.TrimSpace(fmt.Sprintf("no fake of %s %s", b.Kind, b.Behaviour))
		}
	}
	return ""
}

// backends starts the fakes of a case and declares its functions.
func (r *run) startBackends(ctx context.Context, c *Case, listen string) error {
	r.scope.backends = map[string]*fake{}
	for _, id := range slices.Sorted(maps.Keys(c.Backends)) {
		f := &fake{Backend: c.Backends[id], id: id, name: c.Backends[id].Name}
		if f.name == "" {
			f.name = id
		}
		r.scope.backends[id] = f
		if err := f.start(r, listen); err != nil {
			return err
		}
		if f.Kind != "lambda" {
			continue
		}
		a, err := r.target.declare(ctx, r.key, f.name, f.url)
		if err != nil {
			return fmt.Errorf("declare function %s: %w", f.name, err)
		}
		r.revision = a.header.Get(revision)
	}
	return nil
}

func (r *run) stopBackends() {
	for _, f := range r.scope.backends {
		if f.server != nil {
			_ = f.server.Close()
		}
	}
}

// start opens the fake's own port, and names it as a case will.
func (f *fake) start(r *run, listen string) error {
	l, err := net.Listen("tcp", net.JoinHostPort(listen, "0"))
	if err != nil {
		return err
	}
	f.url = "http://" + l.Addr().String()
	home := r.target.Region + ":" + r.key.Account + ":"
	var handler http.Handler
	switch f.Kind {
	case "lambda":
		f.arn = "arn:aws:lambda:" + home + "function:" + f.name
		handler = f.function(r)
	case "http":
		f.server = newPlainServer(l, f.recorded(fronted(servers[f.Behaviour](f))))
		return nil
	case "oidc":
		f.issuer, handler = newIssuer(f.url)
	default:
		f.standIn = standIns[f.Kind](home, f)
		handler = f.recorded(faceOf(f))
	}
	server := &http.Server{Handler: handler}
	f.server = server
	go func() { _ = server.Serve(l) }() // ends with stopBackends
	return nil
}

// recorded keeps the body of each request before it is answered.
func (f *fake) recorded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.keep(body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		next.ServeHTTP(w, r)
	})
}
