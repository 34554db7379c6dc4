// Package run starts the services of one process and stops them again.
//
// A Group starts its services in the order of its list, each only after the one before is ready, and stops them in
// reverse, so that a service may use the ones above it in the list for as long as it runs. The first service that fails
// stops all others. It knows nothing of what a service does, and it restarts nothing: that is the supervisor's job.
//
// The surprise: a service that returns nil before it was told to stop has failed too (ErrEnded), because whatever leaned
// on it now leans on nothing.
package run

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// ErrEnded is wrapped by the error of a service that returned nil though nobody had asked it to stop.
var ErrEnded = errors.New("ended before it was told to stop")

// Service runs until its context ends or it fails, and returns when everything it started has ended.
// A service that is not useful at once also has Ready() <-chan struct{}, closed when it is.
type Service interface {
	Run(ctx context.Context) error
}

// Func makes a Service of a function.
type Func func(ctx context.Context) error

// Run calls f.
func (f Func) Run(ctx context.Context) error { return f(ctx) }

// Pause waits, and reports whether it did so to the end: false when ctx ended before.
func Pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Named is a service and the name it carries in logs and errors.
type Named struct {
	Name    string
	Service Service
	// StopTimeout bounds the wait for it at the end; zero means the group's.
	StopTimeout time.Duration
}

const (
	// DefaultStopTimeout is how long one service may take to stop before the others are stopped without it.
	DefaultStopTimeout = 10 * time.Second
	// slowStart is how often a service that is not ready yet is reported.
	slowStart = 10 * time.Second
)

// Group runs a list of services as one; it is a Service itself. A Group is used once.
type Group struct {
	// StopTimeout bounds the wait for each service that has none of its own; zero means DefaultStopTimeout.
	StopTimeout time.Duration

	services []Named
	log      *slog.Logger
	ready    chan struct{}
	failed   chan failure
}

// New makes a group of the services, in starting order. log may be nil.
func New(log *slog.Logger, services ...Named) *Group {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Group{
		services: services,
		log:      log,
		ready:    make(chan struct{}),
		failed:   make(chan failure, len(services)),
	}
}

// Ready is closed when every service is ready.
func (g *Group) Ready() <-chan struct{} { return g.ready }

// running is a service that was started.
type running struct {
	name    string
	timeout time.Duration
	cancel  context.CancelFunc
	done    chan struct{}
	err     error // valid once done is closed
}

type failure struct {
	name string
	err  error
}

// Run starts the services in order, waits until ctx ends or one of them fails, and stops them in reverse.
// It returns nil when it ended because ctx did and every service stopped without an error.
func (g *Group) Run(ctx context.Context) error {
	var started []*running
	var cause error
	begin := time.Now()
	for _, s := range g.services {
		r := g.start(ctx, s)
		started = append(started, r)
		if cause = g.waitReady(ctx, s, r); cause != nil || ctx.Err() != nil {
			break
		}
	}
	if cause == nil && ctx.Err() == nil {
		close(g.ready)
		g.log.Info("services ready", "services", len(started), "took", time.Since(begin))
		cause = g.wait(ctx)
	}
	return errors.Join(cause, g.stop(started, cause))
}

// start runs s on a context that keeps the values of ctx but not its end: services end one by one, in reverse.
func (g *Group) start(ctx context.Context, s Named) *running {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r := &running{name: s.Name, timeout: cmp.Or(s.StopTimeout, g.StopTimeout, DefaultStopTimeout), cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = s.Service.Run(own)
		if own.Err() != nil {
			return // told to stop: stop reports the error
		}
		if r.err == nil {
			r.err = ErrEnded
		}
		g.failed <- failure{s.Name, r.err}
	}()
	return r
}

// waitReady waits until s is ready; an error means that s or a service before it has failed meanwhile.
func (g *Group) waitReady(ctx context.Context, s Named, r *running) error {
	readier, ok := s.Service.(interface{ Ready() <-chan struct{} })
	if !ok {
		return nil
	}
	begin := time.Now()
	slow := time.NewTicker(slowStart)
	defer slow.Stop()
	for {
		select {
		case <-readier.Ready():
			g.log.Debug("service ready", "service", s.Name, "took", time.Since(begin))
			return nil
		case f := <-g.failed:
			return fmt.Errorf("service %s: %w", f.name, f.err)
		case <-ctx.Done():
			return nil
		case <-slow.C:
			g.log.Warn("service not ready yet", "service", s.Name, "waited", time.Since(begin))
		}
	}
}

func (g *Group) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case f := <-g.failed:
		return fmt.Errorf("service %s: %w", f.name, f.err)
	}
}

// stop ends the services in reverse and collects their errors, except the one that is the cause already.
func (g *Group) stop(started []*running, cause error) error {
	var errs []error
	for i := len(started) - 1; i >= 0; i-- {
		r := started[i]
		r.cancel()
		timer := time.NewTimer(r.timeout)
		select {
		case <-r.done:
			timer.Stop()
			if r.err != nil && !errors.Is(r.err, context.Canceled) && !errors.Is(cause, r.err) {
				errs = append(errs, fmt.Errorf("service %s: %w", r.name, r.err))
			}
		case <-timer.C:
			errs = append(errs, fmt.Errorf("service %s: did not stop within %s", r.name, r.timeout))
		}
	}
	return errors.Join(errs...)
}

// UntilSignal runs s until it ends or the process gets SIGINT or SIGTERM. A second signal ends the process at once, as
// if nobody had listened for it.
func UntilSignal(ctx context.Context, log *slog.Logger, s Service) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)

	var watcher sync.WaitGroup
	defer watcher.Wait()
	defer cancel()
	watcher.Go(func() {
		select {
		case sig := <-signals:
			signal.Stop(signals)
			if log != nil {
				log.Info("stopping", "signal", sig.String())
			}
			cancel()
		case <-ctx.Done():
		}
	})
	return s.Run(ctx)
}
