//go:build !linux

package relay

import (
	"net"

	"github.com/limen-gateway/limen/platform/peeked"
)

// Conn is c, behind head, as a connection that can be relayed.
func Conn(c net.Conn, head []byte) net.Conn { return peeked.Conn(c, head) }
