package pool

import "syscall"

// attributes: a group of its own, so that the function's own children die with it, and death when this program dies.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
