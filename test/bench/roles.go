package main

import (
	"bytes"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"
)

// This program starts itself in more roles, so that each has cores and a garbage collector of its own.
const (
	roleVariable     = "LIMEN_BENCH_ROLE"
	upstreamVariable = "LIMEN_BENCH_UPSTREAM"
	logVariable      = "LIMEN_BENCH_ACCESS_LOG"

	roleUpstream = "upstream"
	roleReverse  = "reverseproxy"
	roleLoad     = "load"
)

func serveRole(role string) {
	loads := map[string]func() error{roleLoad: serveLoad, roleSocketLoad: serveSocketLoad, roleSocketHold: serveSocketHold}
	if load := loads[role]; load != nil {
		if err := load(); err != nil {
			log.Fatal(err)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	switch role {
	case roleUpstream:
		log.Fatal(serveUpstream(l))
	case roleReverse:
		log.Fatal(serveReverseProxy(l))
	case roleGorilla:
		log.Fatal(serveGorilla(l))
	}
	log.Fatalf("no role %q", role)
}

// answerBody is 1 KiB of JSON.
func answerBody() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"ord-4711","customer":{"name":"Zoë Example","tier":"gold","city":"Łódź"},"items":[`)
	for i := 0; b.Len() < 900; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"SKU-%04d","quantity":%d,"price":%d.%02d,"stock":true}`, i, i%7+1, 10+i, i*7%100)
	}
	b.WriteString(`],"note":"`)
	b.WriteString(strings.Repeat("x", 1024-b.Len()-2))
	b.WriteString(`"}`)
	return b.Bytes()
}

// serveUpstream answers every request with the same JSON. It looks for nothing but the end of a head: requests have no
// bodies here, and it must not be what limits the measured program.
func serveUpstream(l net.Listener) error {
	body := answerBody()
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: public, max-age=3600\r\n\r\n%s",
		time.Now().UTC().Format(http.TimeFormat), len(body), body)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answerAll(c, answer)
	}
}

func answerAll(c net.Conn, answer []byte) {
	defer c.Close()
	buf, have := make([]byte, 16<<10), 0
	for {
		n, err := c.Read(buf[have:])
		if err != nil {
			return
		}
		have += n
		for {
			end := bytes.Index(buf[:have], []byte("\r\n\r\n"))
			if end < 0 {
				break
			}
			have = copy(buf, buf[end+4:have])
			if _, err := c.Write(answer); err != nil {
				return
			}
		}
		if have == len(buf) {
			return
		}
	}
}

// bufferPool spares the ReverseProxy a buffer for each request, as its documentation advises.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) Get() []byte  { return *(p.pool.Get().(*[]byte)) }
func (p *bufferPool) Put(b []byte) { p.pool.Put(&b) }

// serveReverseProxy is what a Go programmer writes: a ReverseProxy with kept connections, and one line of access log.
func serveReverseProxy(l net.Listener) error {
	target, err := url.Parse("http://" + os.Getenv(upstreamVariable))
	if err != nil {
		return err
	}
	file, err := os.Create(os.Getenv(logVariable))
	if err != nil {
		return err
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
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, counted := time.Now(), &countingWriter{ResponseWriter: w}
		proxy.ServeHTTP(counted, r)
		access.Printf("%s %s %s %d %d %d", r.RemoteAddr, r.Method, r.URL.Path, counted.status, counted.bytes, time.Since(start).Microseconds())
	})
	return (&http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
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
