package connections

import (
	"context"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestRelayConnectionsEndWhenNothingIsAcknowledged: the kernel sends no probes while it waits for an acknowledgement, and
// without a time of its own would wait for a quarter of an hour.
func TestRelayConnectionsEndWhenNothingIsAcknowledged(t *testing.T) {
	listener, dialer := RelayListener(), RelayDialer()
	l, err := listener.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialed, err := dialer.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer dialed.Close()
	accepted, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer accepted.Close()
	for name, c := range map[string]net.Conn{"edge": dialed, "node": accepted} {
		raw, err := c.(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			ms, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
			if got := time.Duration(ms) * time.Millisecond; got != relayPatience || err != nil {
				t.Errorf("%s: %v, %v", name, got, err)
			}
		})
	}
}
