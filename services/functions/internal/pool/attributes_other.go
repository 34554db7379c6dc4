//go:build unix && !linux

package pool

import "syscall"

// attributes: a group of its own, so that the function's own children die with it. Only Linux can tie a child's life to
// its parent's.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
