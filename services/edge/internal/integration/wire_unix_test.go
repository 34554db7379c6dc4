//go:build unix

package integration

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// pair is a wire and the backend's end of it.
func pair(t *testing.T) (*wire, net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	client, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = client.Close(), server.Close() })
	return newWire(client), server
}

// A request of any size goes out whole before its answer is read: also one that the socket does not take at once.
func TestWire_sendsThenReads(t *testing.T) {
	w, backend := pair(t)
	for _, size := range []int{1, 100, 8 << 20} {
		got := make(chan int)
		go func() {
			n, _ := io.ReadFull(backend, make([]byte, size))
			_, _ = backend.Write([]byte("answer"))
			got <- n
		}()
		if !w.hold(bytes.Repeat([]byte("x"), size)) {
			t.Fatal("a TCP connection has a descriptor")
		}
		answer := make([]byte, 16)
		n, err := w.Read(answer)
		if err != nil || string(answer[:n]) != "answer" || <-got != size {
			t.Errorf("%d bytes: %q %v", size, answer[:n], err)
		}
	}
}

func TestWire_failures(t *testing.T) {
	w, backend := pair(t)
	_ = w.SetDeadline(time.Now().Add(-time.Second))
	w.hold([]byte("x"))
	if _, err := w.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after its deadline: %v", err)
	}
	_ = w.SetDeadline(time.Time{})
	_ = backend.Close()
	w.hold([]byte("x"))
	if _, err := w.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("a backend that closed: %v", err)
	}
	_ = w.Conn.(*net.TCPConn).CloseWrite()
	w.hold([]byte("x"))
	if _, err := w.Read(make([]byte, 1)); err != errUnsent {
		t.Errorf("a request that could not leave: %v", err)
	}
}
