package roles

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/proxytest"
)

// TestAFaceWaits: until there is something to answer its address is free for another.
func TestAFaceWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	after := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	f := face{setting: "listen", address: proxytest.FreeAddress(t), handler: http.NotFoundHandler(), after: after}
	f.keep(ctx, g)
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	close(after)
	for ctx.Err() == nil {
		if resp, err := http.Get("http://" + f.address); err == nil {
			resp.Body.Close()
			break
		}
	}
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}

// startFace answers at the address that it returns, until it is told to end.
func startFace(t *testing.T, f face) (address string, end func()) {
	t.Helper()
	f.setting, f.address, f.open = "listen", proxytest.FreeAddress(t), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-f.open
	return f.address, cancel
}

// say sends text on a new connection.
func say(t *testing.T, address, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = io.WriteString(c, text)
	return c
}

func TestAFaceClosesIdleConnections(t *testing.T) {
	address, _ := startFace(t, face{handler: http.NotFoundHandler(), idle: 50 * time.Millisecond})
	if _, err := io.ReadAll(say(t, address, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")); err != nil {
		t.Error(err)
	}
}

// TestAFaceAnswersWhoDialedAhead: a request over a connection that was there before the face took no more is not dropped.
func TestAFaceAnswersWhoDialedAhead(t *testing.T) {
	address, end := startFace(t, face{handler: http.NotFoundHandler(), grace: 500 * time.Millisecond, drain: 10 * time.Second})
	ahead := say(t, address, "")
	if _, err := io.ReadAll(say(t, address, "GET / HTTP/1.0\r\nHost: h\r\n\r\n")); err != nil { // dialed after it, so that one was taken
		t.Fatal(err)
	}
	end()
	for taken := true; taken; {
		c, err := net.Dial("tcp", address)
		if taken = err == nil; taken {
			_ = c.Close()
		}
	}
	_, _ = io.WriteString(ahead, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	res, err := http.ReadResponse(bufio.NewReader(ahead), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNotFound || !res.Close {
		t.Errorf("status %d, close %t", res.StatusCode, res.Close)
	}
}

// TestAFaceWaitsForNoBody longer than its limit. That cuts neither an answer that takes longer nor a stream of gRPC.
func TestAFaceWaitsForNoBody(t *testing.T) {
	begun, late := make(chan struct{}), make(chan struct{})
	address, _ := startFace(t, face{body: 100 * time.Millisecond, handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			begun <- struct{}{}
		}
		b, err := io.ReadAll(r.Body)
		switch r.URL.Path {
		case "/late":
			close(late)
		case "/long":
			begun <- struct{}{}
			<-late
		}
		_, _ = fmt.Fprint(w, string(b), " ", errors.Is(err, os.ErrDeadlineExceeded), " ", r.Context().Err())
	})})
	long := say(t, address, "POST /long HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
	<-begun
	body, more := io.Pipe()
	var http2 http.Protocols
	http2.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: &http2}, Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	streamed := make(chan struct{})
	go func() {
		defer close(streamed)
		resp, err := client.Post("http://"+address+"/stream", "application/grpc", body)
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if b, err := io.ReadAll(resp.Body); string(b) != "hi false <nil>" || err != nil {
			t.Errorf("a stream: %q %v", b, err)
		}
	}()
	<-begun

	for _, c := range []struct {
		conn net.Conn
		want string
	}{{say(t, address, "POST /late HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nhi"), "hi true context canceled"}, {long, "hi false <nil>"}} {
		resp, err := http.ReadResponse(bufio.NewReader(c.conn), nil)
		if err != nil {
			t.Fatalf("no answer, want %s: %v", c.want, err)
		}
		if b, err := io.ReadAll(resp.Body); string(b) != c.want || err != nil {
			t.Errorf("%q %v, want %s", b, err, c.want)
		}
	}
	_, _ = io.WriteString(more, "hi")
	_ = more.Close()
	<-streamed
}
