package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// scaleRow is a program with a configuration of some size.
type scaleRow struct {
	*result
	started time.Duration // from its start until it answers on its last route
	before  int64         // bytes of memory then
	changed time.Duration // from the wish for one more route until that answers; 0 when it cannot without a restart
	during  sample        // a steady load meanwhile: the worst p99 of its spans
}

// scaleRounds are enough for how a figure depends on size.
const scaleRounds = 2

// scaled is a started program of the comparison by size.
type scaled struct {
	name string
	*process
	host, address string
	started       time.Duration
	// change adds the route of this number to the others; nil when only a restart can.
	change func(ctx context.Context) error
}

// get asks for the routes of these numbers.
func (p *scaled) get(numbers ...int) request {
	r := request{Address: p.address, Host: p.host}
	for _, n := range numbers {
		r.Paths = append(r.Paths, routePath(n))
	}
	return r
}

// spread is up to 1,000 of the numbers of the routes, evenly.
func spread(routes int) []int {
	out := make([]int, min(routes, 1000))
	for i := range out {
		out[i] = i * routes / len(out)
	}
	return out
}

// scale measures programs by the size of their configuration.
func (s *site) scale(ctx context.Context, routes int) ([]*scaleRow, error) {
	var programs []*scaled
	defer func() {
		for _, p := range programs {
			p.stop()
		}
	}()
	for _, start := range []func(context.Context, int) (*scaled, error){s.scaleNginx, s.scaleHAProxy, s.scaleReverseProxy, s.scaleLimen} {
		p, err := start(ctx, routes)
		var absent *absentError
		switch {
		case errors.As(err, &absent):
			s.miss(absent.Error())
		case err != nil:
			return nil, fmt.Errorf("%d routes: %w", routes, err)
		default:
			programs = append(programs, p)
		}
	}
	var rows []*scaleRow
	var results []*result
	for _, p := range programs {
		r := &result{name: p.name, process: p.process, request: p.get(spread(routes)...)}
		rows = append(rows, &scaleRow{result: r, started: p.started, before: memoryOf(p.pid())})
		results = append(results, r)
	}
	if err := s.rounds(ctx, fmt.Sprintf("%d routes", routes), results, min(s.options.rounds, scaleRounds)); err != nil {
		return nil, err
	}
	for i, p := range programs {
		if p.change == nil {
			continue
		}
		if err := s.change(ctx, p, rows[i], routes); err != nil {
			return nil, fmt.Errorf("%s, one route more than %d: %w", p.name, routes, err)
		}
	}
	return rows, nil
}

// change adds a route under a steady load on another.
func (s *site) change(ctx context.Context, p *scaled, row *scaleRow, routes int) error {
	fmt.Fprintf(os.Stderr, "%s: one route more than %d\n", p.name, routes)
	changed := make(chan error, 1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		sleep(ctx, s.options.duration/4) // the load has begun
		begin := time.Now()
		err := p.change(ctx)
		if err == nil {
			_, err = p.get(routes).await(ctx, p.process)
		}
		row.changed = time.Since(begin)
		changed <- err
	}()
	for {
		v, _, err := s.runGenerator(ctx, p.get(0), s.options.duration, s.options.rate)
		if err != nil {
			cancel()
			<-changed
			return err
		}
		row.during.p99 = max(row.during.p99, v.p99)
		row.during.failed += v.failed
		row.during.retried += v.retried
		select {
		case err := <-changed:
			return err
		default:
		}
	}
}

// scaleNginx, like the others, starts a program with so many routes and waits for the last.
func (s *site) scaleNginx(ctx context.Context, routes int) (*scaled, error) {
	n, err := s.newNginx()
	if err != nil {
		return nil, err
	}
	if err := n.write(routes); err != nil {
		return nil, err
	}
	return s.scaleFrom(ctx, routes, &scaled{name: nameNginx, address: n.plain}, func() (*process, error) { return n.start(s) },
		func(p *process) error {
			return errors.Join(n.write(routes+1), p.cmd.Process.Signal(syscall.SIGHUP))
		})
}

func (s *site) scaleHAProxy(ctx context.Context, routes int) (*scaled, error) {
	h, err := s.newHAProxy()
	if err != nil {
		return nil, err
	}
	if err := h.write(routes); err != nil {
		return nil, err
	}
	return s.scaleFrom(ctx, routes, &scaled{name: nameHAProxy, address: h.plain}, func() (*process, error) { return h.start(s) },
		func(p *process) error {
			return errors.Join(h.write(routes+1), p.cmd.Process.Signal(syscall.SIGUSR2))
		})
}

func (s *site) scaleReverseProxy(ctx context.Context, routes int) (*scaled, error) {
	p := &scaled{name: nameReverse}
	return s.scaleFrom(ctx, routes, p, func() (*process, error) {
		started, err := s.runReverseProxy(ctx, routes)
		if err == nil {
			p.address = started.address
		}
		return started, err
	}, nil)
}

// scaleLimen starts limen with what another start of it was given.
func (s *site) scaleLimen(ctx context.Context, routes int) (*scaled, error) {
	name := fmt.Sprintf("limen-scale%d", routes)
	first, err := s.launch(ctx, name, s.options.peerCPU)
	if err != nil {
		return nil, err
	}
	api, err := s.publish(ctx, first.control(), routes)
	first.stop()
	if err != nil {
		return nil, err
	}
	p := &scaled{name: nameLimen, host: hostOf(api)}
	var l *limen
	out, err := s.scaleFrom(ctx, routes, p, func() (*process, error) {
		if l, err = s.launch(ctx, name, s.options.peerCPU); err != nil {
			return nil, err
		}
		p.address = l.address
		return l.process, nil
	}, nil)
	if err == nil {
		out.change = func(ctx context.Context) error { return s.addRoute(ctx, l.control(), api, routes) }
	}
	return out, err
}

// scaleFrom starts the program; change tells it to read its changed configuration.
func (s *site) scaleFrom(ctx context.Context, routes int, p *scaled, start func() (*process, error), change func(*process) error) (*scaled, error) {
	begin := time.Now()
	started, err := start()
	if err != nil {
		return nil, err
	}
	p.process = started
	if _, err := p.get(routes-1).await(ctx, started); err != nil {
		started.stop()
		return nil, err
	}
	p.started = time.Since(begin)
	if change != nil {
		p.change = func(context.Context) error { return change(started) }
	}
	return p, nil
}
