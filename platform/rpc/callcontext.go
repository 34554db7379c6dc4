package rpc

import (
	"context"
	"sync"
	"time"
)

// callContext is the server's context of a local call: values of its own, the end of the client's context, the deadline
// of the table, and an end of its own when the handler has returned. Most handlers never wait for it, so that timer and
// cancellation are made only when somebody asks for Done.
type callContext struct {
	values   context.Context
	client   context.Context
	deadline time.Time // zero: none but the client's

	mu    sync.Mutex // guards what follows
	inner context.Context
	stop  context.CancelFunc
	ended bool
}

// carried is what a callContext's inner context is made from.
type carried struct {
	context.Context // the values
	client          context.Context
}

func (c carried) Deadline() (time.Time, bool) { return c.client.Deadline() }
func (c carried) Done() <-chan struct{}       { return c.client.Done() }
func (c carried) Err() error                  { return c.client.Err() }

// AfterFunc spares the context package a goroutine.
func (c carried) AfterFunc(f func()) func() bool { return context.AfterFunc(c.client, f) }

func newCallContext(values, client context.Context, limit time.Duration) *callContext {
	c := &callContext{values: values, client: client}
	if limit == NoDeadline {
		return c
	}
	own := time.Now().Add(limit)
	if d, ok := client.Deadline(); !ok || own.Before(d) {
		c.deadline = own
	}
	return c
}

func (c *callContext) Deadline() (time.Time, bool) {
	if c.deadline.IsZero() {
		return c.client.Deadline()
	}
	return c.deadline, true
}

func (c *callContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inner == nil {
		if c.deadline.IsZero() {
			c.inner, c.stop = context.WithCancel(carried{c.values, c.client})
		} else {
			c.inner, c.stop = context.WithDeadline(carried{c.values, c.client}, c.deadline)
		}
		if c.ended {
			c.stop()
		}
	}
	return c.inner.Done()
}

func (c *callContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.inner != nil:
		return c.inner.Err()
	case c.client.Err() != nil:
		return c.client.Err()
	case c.ended:
		return context.Canceled
	case !c.deadline.IsZero() && !time.Now().Before(c.deadline):
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// Value asks the inner context when there is one: that is how the context package finds that it can hang contexts made
// from this one on it, instead of starting a goroutine for each.
func (c *callContext) Value(key any) any {
	c.mu.Lock()
	inner := c.inner
	c.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return c.values.Value(key)
}

// end says that the handler has returned.
func (c *callContext) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	if c.stop != nil {
		c.stop()
	}
}
