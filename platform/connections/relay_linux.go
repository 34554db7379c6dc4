package connections

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// limitPatience makes a connection break when what it sends is not acknowledged, or not taken, for relayPatience.
func limitPatience(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(relayPatience.Milliseconds()))
	})
	return errors.Join(err, os.NewSyscallError("setsockopt", failed))
}
