package proxytest

import (
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

// Ports below those that systems give to outgoing connections, any of which could take a port before its listener does.
const (
	firstPort = 10_000
	ports     = 22_000
)

// FreeAddress is an address on loopback at which nobody listens, for a listener that a test starts later, or starts again.
func FreeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(firstPort+rand.IntN(ports)))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
