//go:build !unix

package integration

import "net"

// wire is a TCP connection to a backend. Here it cannot look without reading; a connection that the backend closed shows
// when it is used.
type wire struct{ net.Conn }

func newWire(c net.Conn) *wire { return &wire{c} }

func (*wire) hold([]byte) bool { return false }

func (*wire) quiet() bool { return true }
