package tunnel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// join connects a client and a replica by a tunnel; ended is closed when it is over.
func join(t *testing.T, b *Buffers) (client, replica *net.TCPConn, ended chan struct{}) {
	t.Helper()
	client, one := pipe(t)
	replica, other := pipe(t)
	ended = make(chan struct{})
	go func() { b.Join(one, other); close(ended) }()
	t.Cleanup(func() { _, _ = client.Close(), replica.Close(); <-ended })
	return client, replica, ended
}

func pipe(t *testing.T) (one, other *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = dialed.SetDeadline(time.Now().Add(time.Minute))
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

func mustEnd(t *testing.T, ended <-chan struct{}) {
	t.Helper()
	select {
	case <-ended:
	case <-time.After(time.Minute):
		t.Fatal("the tunnel keeps it")
	}
}

func TestAClientThatStaysAfterTheEnd(t *testing.T) {
	client, replica, ended := join(t, &Buffers{linger: time.Millisecond})
	_, _ = io.WriteString(replica, "last words")
	_ = replica.Close()
	if got, err := io.ReadAll(client); string(got) != "last words" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	mustEnd(t, ended) // the client does not close
}

// TestASideThatNeverReads is given up, and the other hears of it.
func TestASideThatNeverReads(t *testing.T) {
	for _, name := range []string{"client", "replica"} {
		t.Run(name, func(t *testing.T) {
			client, replica, ended := join(t, &Buffers{stall: time.Millisecond})
			writer := replica
			if name == "replica" {
				writer = client
			}
			if _, err := io.Copy(writer, neverEnding{}); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the other writes on: %v", err)
			}
			mustEnd(t, ended)
		})
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

// TestAClientThatHasSaidItsLast waits for its answer as long as it takes.
func TestAClientThatHasSaidItsLast(t *testing.T) {
	client, replica, ended := join(t, &Buffers{linger: time.Millisecond})
	_, _ = io.WriteString(client, "question")
	_ = client.CloseWrite()
	if got, err := io.ReadAll(replica); string(got) != "question" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	answer := bytes.Repeat([]byte("0123456789abcdef"), 1<<20)
	go func() { _, _ = replica.Write(answer); _ = replica.Close() }()
	if got, err := io.ReadAll(client); !bytes.Equal(got, answer) || err != nil {
		t.Errorf("%d bytes of %d, %v", len(got), len(answer), err)
	}
	mustEnd(t, ended)
}
