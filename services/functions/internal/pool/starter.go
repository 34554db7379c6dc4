package pool

import (
	"context"
	"errors"
	"os/exec"
	"runtime"
)

// Starter starts processes from one thread that lives as long as its Run.
//
// Linux ties the death signal of a child to the thread that made it, not to the program: made from any thread of Go's, a
// child could be killed when that thread ends, long before the program does.
type Starter struct {
	requests chan startRequest
	ended    chan struct{}
}

type startRequest struct {
	cmd  *exec.Cmd
	done chan error
}

var errStopped = errors.New("the function host has stopped")

// NewStarter makes a Starter; Start waits until Run runs.
func NewStarter() *Starter {
	return &Starter{requests: make(chan startRequest), ended: make(chan struct{})}
}

// Run serves Start until the context ends. The caller sees to it that every process has ended before.
func (s *Starter) Run(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.ended)
	for {
		select {
		case r := <-s.requests:
			r.done <- r.cmd.Start()
		case <-ctx.Done():
			return
		}
	}
}

// Start starts a process.
func (s *Starter) Start(cmd *exec.Cmd) error {
	r := startRequest{cmd, make(chan error, 1)}
	select {
	case s.requests <- r:
		return <-r.done
	case <-s.ended:
		return errStopped
	}
}
