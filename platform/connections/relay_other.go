//go:build !linux

package connections

import "syscall"

// limitPatience does nothing: only Linux has the option.
func limitPatience(_, _ string, _ syscall.RawConn) error { return nil }
