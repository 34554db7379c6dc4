package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// What the ReverseProxy is told.
const (
	upstreamVariable = "LIMEN_BENCH_UPSTREAM"
	logVariable      = "LIMEN_BENCH_ACCESS_LOG"
	secureVariable   = "LIMEN_BENCH_TLS" // address for TLS; none when empty
	routesVariable   = "LIMEN_BENCH_ROUTES"
)

func (s *site) startReverseProxy(ctx context.Context) (*program, error) {
	var secure string
	if err := freeAddresses(&secure); err != nil {
		return nil, err
	}
	p, err := s.runReverseProxy(ctx, 0, secureVariable+"="+secure, certVariable+"="+s.cert)
	if err != nil {
		return nil, err
	}
	return &program{nameReverse, p, s.sharedJobs("", p.address, secure, p.address)}, nil
}

// runReverseProxy starts one behind a ServeMux with so many routes, or for all requests when there are none.
func (s *site) runReverseProxy(ctx context.Context, routes int, env ...string) (*process, error) {
	return s.startSelf(ctx, roleReverse, s.options.peerCPU, append(env, upstreamVariable+"="+s.upstream.address,
		logVariable+"="+filepath.Join(s.dir, "reverseproxy-access.log"), routesVariable+"="+strconv.Itoa(routes))...)
}

// bufferPool spares the ReverseProxy a buffer for each request, as its documentation advises.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return *(p.pool.Get().(*[]byte)) }
func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }

// serveReverseProxy is what a Go programmer writes: a ReverseProxy with kept connections, and one line of access log.
func serveReverseProxy(l net.Listener) error {
	handler, err := newReverseProxy(os.Getenv(upstreamVariable), os.Getenv(logVariable))
	if err != nil {
		return err
	}
	routes, err := strconv.Atoi(os.Getenv(routesVariable))
	if err != nil {
		return err
	}
	if routes > 0 {
		mux := http.NewServeMux()
		for i := range routes {
			mux.Handle(fmt.Sprintf("GET /prod/service%d/orders/{id}", i), handler)
		}
		handler = mux
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Handler: handler, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 2)
	if address := os.Getenv(secureVariable); address != "" {
		server.Addr = address
		cert := os.Getenv(certVariable)
		go func() { ended <- server.ListenAndServeTLS(cert+".crt", cert+".key") }()
	}
	go func() { ended <- server.Serve(l) }()
	return <-ended
}

func newReverseProxy(upstream, accessLog string) (http.Handler, error) {
	target, err := url.Parse("http://" + upstream)
	if err != nil {
		return nil, err
	}
	file, err := os.Create(accessLog)
	if err != nil {
		return nil, err
	}
	access := log.New(file, "", log.LstdFlags)
	proxy := &httputil.ReverseProxy{
		Transport:  &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, IdleConnTimeout: 90 * time.Second, DisableCompression: true},
		BufferPool: &bufferPool{sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, counted := time.Now(), &countingWriter{ResponseWriter: w}
		proxy.ServeHTTP(counted, r)
		access.Printf("%s %s %s %d %d %d", r.RemoteAddr, r.Method, r.URL.Path, counted.status, counted.bytes, time.Since(start).Microseconds())
	}), nil
}

// countingWriter remembers what an access log tells of an answer.
type countingWriter struct {
	http.ResponseWriter
	status, bytes int
}

func (w *countingWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

func (w *countingWriter) Write(b []byte) (int, error) {
	w.bytes += len(b)
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController flush.
func (w *countingWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
