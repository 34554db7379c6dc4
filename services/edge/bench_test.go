package edge

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// backend answers every request on raw sockets with the same 1 KiB answer, as cheaply as possible, so that a benchmark
// measures the gateway.
func backend(b *testing.B) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	answer := []byte("HTTP/1.1 200 OK\r\nServer: b\r\nDate: Tue, 24 Nov 2026 15:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: 1024\r\nConnection: keep-alive\r\n\r\n")
	answer = append(answer, make([]byte, 1024)...)
	var wg sync.WaitGroup
	b.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				buf := make([]byte, 4096)
				for {
					if _, err := c.Read(buf); err != nil {
						return
					}
					if _, err := c.Write(answer); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

// drive sends requests over one kept connection per parallel goroutine and reads the answers.
func drive(b *testing.B, addr, request string) {
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			b.Error(err)
			return
		}
		defer c.Close()
		r, out := bufio.NewReaderSize(c, 8192), []byte(request)
		for pb.Next() {
			if _, err := c.Write(out); err != nil {
				b.Error(err)
				return
			}
			if err := skipAnswer(r); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

// skipAnswer reads one answer with a Content-Length and allocates nothing.
func skipAnswer(r *bufio.Reader) error {
	length := 0
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == 2 {
			break
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			length = 0
			for _, d := range line[len(name) : len(line)-2] {
				length = length*10 + int(d-'0')
			}
		}
	}
	_, err := r.Discard(length)
	return err
}

const benchRequest = "GET /prod/pets/1?a=b HTTP/1.1\r\nHost: " + apiHost + "\r\nUser-Agent: bench/1\r\nAccept: */*\r\nX-Request-Header: value\r\n\r\n"

func BenchmarkHTTPProxy(b *testing.B) {
	addr := backend(b) // before the edge, so that it ends after it
	w := start(b, Deps{Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/pets/{id}", "GET", of(proxyTo("http://"+addr+"/pets/{id}", map[string]string{
		"integration.request.path.id": "method.request.path.id"}))})})
	drive(b, w.addr, benchRequest)
}

func BenchmarkMock(b *testing.B) {
	w := start(b, Deps{Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/pets/{id}", "GET", withResponses(mock(`{"statusCode": 200}`), response("200", "", nil, map[string]string{"application/json": "{}"}))})})
	drive(b, w.addr, benchRequest)
}

// BenchmarkHTTP is an HTTP integration without templates, with one that passes the body through, and with one for each way.
func BenchmarkHTTP(b *testing.B) {
	const post = "POST /prod/pets/1 HTTP/1.1\r\nHost: " + apiHost + "\r\nAccept: */*\r\nContent-Length: 24\r\n\r\n{\"name\":\"Rex\",\"n\":[1,2]}"
	for _, bm := range []struct {
		name              string
		request, response map[string]string
	}{
		{"none", nil, nil},
		{"literal", asJSON(`{"fixed": true}`), nil},
		{"body", asJSON("$input.body"), nil},
		{"passthrough", asJSON("$input.json('$')"), nil},
		{"both", asJSON(`{"id":"$input.params('id')","name":$input.json('$.name')}`), asJSON(`{"request":"$context.requestId"}`)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			addr := backend(b)
			w := start(b, Deps{Log: slog.New(slog.DiscardHandler), AccessLog: io.Discard})
			publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/pets/{id}", "POST",
				withResponses(httpTo("http://"+addr+"/pets", bm.request, nil), response("200", "", nil, bm.response))})})
			drive(b, w.addr, post)
		})
	}
}

// BenchmarkReverseProxy is the standard library's proxy in front of the same backend, to compare with.
func BenchmarkReverseProxy(b *testing.B) {
	target, _ := url.Parse("http://" + backend(b))
	p := httputil.NewSingleHostReverseProxy(target)
	p.Transport = &http.Transport{MaxIdleConnsPerHost: 100}
	s := httptest.NewServer(p)
	b.Cleanup(func() {
		s.Close()
		p.Transport.(*http.Transport).CloseIdleConnections()
	})
	drive(b, s.Listener.Addr().String(), benchRequest)
}
