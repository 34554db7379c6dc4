package proxytest

import (
	"bufio"
	"io"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that sends back what it gets.
func echo(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { defer c.Close(); _, _ = io.Copy(c, c) }()
		}
	}()
	return l.Addr().String()
}

type client struct {
	net.Conn
	lines *bufio.Reader
}

func connect(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, bufio.NewReader(c)}
}

// ask sends a line and waits for its echo, at most as long as given.
func (c *client) ask(wait time.Duration) error {
	if _, err := io.WriteString(c, "line\n"); err != nil {
		return err
	}
	_ = c.SetReadDeadline(time.Now().Add(wait))
	_, err := c.lines.ReadString('\n')
	return err
}

func TestFaults(t *testing.T) {
	server := echo(t)
	p := New(t, func() (string, string) { return "tcp", server })
	c := connect(t, p.Addr())
	if err := c.ask(time.Minute); err != nil {
		t.Fatal(err)
	}

	p.Pause()
	err := c.ask(20 * time.Millisecond)
	if e, ok := err.(net.Error); !ok || !e.Timeout() {
		t.Fatalf("paused: %v", err)
	}
	p.Resume()
	_ = c.SetReadDeadline(time.Now().Add(time.Minute))
	if _, err := c.lines.ReadString('\n'); err != nil {
		t.Fatalf("what was held back is lost: %v", err)
	}

	p.Cut()
	if err := c.ask(time.Minute); err == nil {
		t.Fatal("a cut connection answers")
	}
	if _, err := net.Dial("tcp", p.Addr()); err == nil {
		t.Fatal("a cut proxy accepts")
	}
	p.Restore(t)
	if err := connect(t, p.Addr()).ask(time.Minute); err != nil {
		t.Fatal(err)
	}
}
