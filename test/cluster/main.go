// Command cluster runs the compose cluster and lets everything happen to it: the demo's scenario, faults and rolling restarts
// under load, quotas, a trace, and a search for secrets. It prints a line for each, with what clients saw, and fails when
// an invariant breaks. Whatever happens it takes away what it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/limen-gateway/limen/test/harness"
	"github.com/limen-gateway/limen/test/scenario"
)

func main() {
	only := flag.String("only", "", "run only the parts, faults and rolls whose names contain one of these, with commas between")
	keep := flag.Bool("keep", false, "leave the cluster running")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, options{only: *only, keep: *keep}); err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		stop()
		os.Exit(1)
	}
}

type options struct {
	only string
	keep bool
}

// wants tells whether a part is to be run.
func (o options) wants(name string) bool {
	if o.only == "" {
		return true
	}
	for part := range strings.SplitSeq(o.only, ",") {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}

var began = time.Now()

func say(format string, args ...any) {
	fmt.Printf("%4.0fs %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

func run(ctx context.Context, o options) (err error) {
	binary, err := harness.Build()
	if err != nil {
		return err
	}
	p, err := newProject(filepath.Dir(filepath.Dir(binary)))
	if err != nil {
		return err
	}
	if !o.keep {
		defer func() { err = errors.Join(err, p.remove(context.WithoutCancel(ctx))) }()
	}
	if err := p.up(ctx); err != nil {
		return errors.Join(err, p.complain(context.WithoutCancel(ctx)))
	}
	s, err := newSite(ctx, p)
	if err != nil {
		return err
	}
	defer s.backend.Close()
	say("the cluster %s is up: control plane %s, data plane %s", p.name, s.target.Control, s.target.Data)
	err = s.parts(ctx, o)
	if err == nil {
		err = p.healthy(ctx)
	}
	if err != nil {
		return errors.Join(err, p.complain(context.WithoutCancel(ctx)))
	}
	say("cluster: every part passed")
	return nil
}

// parts runs what is asked for, in order.
func (s *site) parts(ctx context.Context, o options) error {
	for _, part := range []struct {
		name string
		run  func(context.Context, options) error
	}{
		{"scenario", s.demo},
		{"publish", func(ctx context.Context, _ options) error { return s.publish(ctx, 1_000_000_000) }},
		{"quota", func(ctx context.Context, _ options) error { return s.quotas(ctx, say) }},
		{"trace", s.trace},
		{"faults", s.underLoad},
		{"secrets", s.secrets},
	} {
		if part.name != "publish" && part.name != "faults" && !o.wants(part.name) {
			continue
		}
		if err := part.run(ctx, o); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
	}
	return nil
}

// demo is the scenario of `make demo`, here.
func (s *site) demo(ctx context.Context, _ options) error {
	n := 0
	err := scenario.Run(ctx, s.target, func(step scenario.Step, answer string, err error) {
		n++
		if err != nil {
			say("%2d. %s: FAILED: %v", n, step.Name, err)
		}
	})
	if err != nil {
		return err
	}
	say("scenario: %d of %d steps passed", n, len(scenario.Steps()))
	return nil
}

// underLoad lets faults, scaling and rolling restarts happen under load.
func (s *site) underLoad(ctx context.Context, o options) error {
	var err error
	if s.socketAPI, err = scenario.New(s.target).SocketAPI(ctx); err != nil {
		return err
	}
	if _, err := s.command(ctx, "wait", s.socketAPI, "prod"); err != nil {
		return err
	}
	loaded, stop := context.WithCancel(ctx)
	t := startTraffic(loaded, s)
	defer func() { stop(); t.ended.Wait(); t.sockets.ended.Wait(); t.writes.ended.Wait() }()
	var problems []error
	since := time.Now()
	report := func(line string, err error) {
		if line != "" {
			say("%s", line)
		}
		if err != nil && ctx.Err() == nil { // who interrupts breaks nothing
			say("BROKEN: %v", err)
			s.warnings(context.WithoutCancel(ctx), since)
			problems = append(problems, err)
		}
		since = time.Now()
	}
	for _, f := range s.faults() {
		if ctx.Err() == nil && o.wants(f.name) {
			line, err := s.suffer(ctx, t, f)
			if err != nil {
				err = fmt.Errorf("%s: %w", f.name, err)
			}
			report(line, err)
		}
	}
	s.rolls(ctx, o, t, report)
	lost, acked, err := t.writes.lost(ctx)
	report(fmt.Sprintf("%d acknowledged writes, %d lost", acked, len(lost)), errors.Join(err, notLost(lost)))
	return errors.Join(append(problems, ctx.Err())...)
}

// rolls restarts every service in turn, with the binary of the commit before and back to this one's, then scales.
func (s *site) rolls(ctx context.Context, o options, t *traffic, report func(string, error)) {
	wanted := func(service string) bool { return o.wants("roll of " + service) }
	if slices.ContainsFunc(rolled, wanted) {
		binaries, clean, err := s.binaries(ctx)
		if err != nil {
			report("", err)
			return
		}
		defer clean()
		for _, b := range binaries {
			for _, service := range b.order {
				if ctx.Err() == nil && wanted(service) {
					report(s.roll(ctx, t, service, b))
				}
			}
		}
	}
	if ctx.Err() == nil && o.wants("scale") {
		s.scale(ctx, t, report)
	}
}
