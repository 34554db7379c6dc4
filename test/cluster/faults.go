package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	// faultLasts is how long what is paused or cut off stays so.
	faultLasts = 6 * time.Second
	// recoveryWithin is how long the cluster may take until all is well again, without a hand.
	recoveryWithin = 90 * time.Second
	// calm is how long nothing may fail for all to be well.
	calm = 1500 * time.Millisecond
)

// fault is something that happens to containers, and what clients may see of it: a client that is not named sees nothing.
type fault struct {
	name    string
	strike  func(context.Context) (mend func(context.Context) error, err error)
	allowed map[string][]string // client → what it may see; "*" is anything
	certain []string            // clients that see something for certain: else it did not happen
}

// Clients beside the HTTP paths.
const (
	clientSockets = "sockets"
	clientPush    = "push"
	clientWrites  = "writes"
)

// cutOff is what the clients of a part in the path see when it dies under them.
var cutOff = []string{"reset", "cut off", "timeout", "refused"}

// stated are the fallbacks of each part: what its clients may see while it is away.
func stated(service string) map[string][]string {
	switch service {
	case "edge":
		out := map[string][]string{clientSockets: {"*"}, clientPush: {"410"}} // who is cut off is gone
		for _, path := range paths {
			out[path] = cutOff
		}
		return out
	case "wsconn":
		return map[string][]string{clientSockets: {"*"}, clientPush: {"410", "503", "timeout"}}
	case "admin":
		return map[string][]string{clientWrites: {"*"}, clientPush: append([]string{"500", "503"}, cutOff...)} // this client pushes through admin
	case "authz":
		return map[string][]string{"/guarded": {"500", "timeout"}} // closed
	case "metering":
		return map[string][]string{"/sold": {"429"}} // as configured here: deny
	case "cache":
		return nil // as a miss
	case "etcd":
		return map[string][]string{clientWrites: {"*"}, clientPush: {"500", "503", "timeout"}}
	case "nats":
		return map[string][]string{"/sold": {"429"}, clientPush: {"503", "timeout"}, clientSockets: {"connect 503", "connect 500"}}
	}
	return nil
}

// certain are the clients of a part that see it go, whatever stands beside it: their connections end in it.
var certain = map[string][]string{"edge": {clientSockets}, "wsconn": {clientSockets}}

// faults are all of them, in order.
func (s *site) faults() []fault {
	var out []fault
	for _, service := range []string{"edge", "wsconn", "admin", "authz", "metering", "cache", "etcd", "nats"} {
		out = append(out,
			fault{"kill -9 of one " + service, s.killing(service, 1), stated(service), certain[service]},
			fault{"pause of one " + service, s.pausing(service), stated(service), certain[service]},
			fault{"network cut of one " + service, s.cutting(service), stated(service), certain[service]})
	}
	return append(out,
		fault{"kill -9 of two nats", s.killing("nats", 2), stated("nats"), nil},
		fault{"kill -9 of the whole control plane", s.killing("admin etcd", 5), stated("admin"), []string{clientWrites}})
}

// victims are the first containers of services; members of etcd and NATS are services of their own.
func (s *site) victims(ctx context.Context, services string, n int) ([]string, error) {
	var out []string
	for service := range strings.FieldsSeq(services) {
		parts := []string{service}
		if service == "etcd" || service == "nats" {
			parts = []string{service + "1", service + "2", service + "3"}
		}
		for _, part := range parts {
			names, err := s.containers(ctx, part)
			if err != nil {
				return nil, err
			}
			out = append(out, names...)
		}
	}
	if len(out) < n {
		return nil, fmt.Errorf("%s has %d containers, not %d", services, len(out), n)
	}
	return out[:n], nil
}

func (s *site) killing(services string, n int) func(context.Context) (func(context.Context) error, error) {
	return func(ctx context.Context) (func(context.Context) error, error) {
		victims, err := s.victims(ctx, services, n)
		if err != nil {
			return nil, err
		}
		for _, v := range victims {
			err = errors.Join(err, s.signal(ctx, v, syscall.SIGKILL))
		}
		pause(ctx, faultLasts/2)
		return func(context.Context) error { return nil }, err // Docker starts them again
	}
}

func (s *site) pausing(service string) func(context.Context) (func(context.Context) error, error) {
	return func(ctx context.Context) (func(context.Context) error, error) {
		victims, err := s.victims(ctx, service, 1)
		if err != nil {
			return nil, err
		}
		if err := s.signal(ctx, victims[0], syscall.SIGSTOP); err != nil {
			return nil, err
		}
		pause(ctx, faultLasts)
		return func(ctx context.Context) error { return s.signal(ctx, victims[0], syscall.SIGCONT) }, nil
	}
}

func (s *site) cutting(service string) func(context.Context) (func(context.Context) error, error) {
	return func(ctx context.Context) (func(context.Context) error, error) {
		victims, err := s.victims(ctx, service, 1)
		if err != nil {
			return nil, err
		}
		alias := service
		if service == "etcd" || service == "nats" {
			alias += "1"
		}
		back, err := s.cut(ctx, victims[0], alias)
		if err != nil {
			return nil, err
		}
		pause(ctx, faultLasts)
		return back, nil
	}
}

// traffic is all the load on a cluster.
type traffic struct {
	*load
	sockets *sockets
	writes  *writes
}

func startTraffic(ctx context.Context, s *site) *traffic {
	anew := new(atomic.Int64)
	return &traffic{startLoad(ctx, s, anew), startSockets(ctx, s, anew), startWrites(ctx, s)}
}

// spread lets all clients connect again. After a replica died the others have its clients: what happens to it next would
// happen to nobody.
func (t *traffic) spread(ctx context.Context) {
	t.anew.Add(1)
	pause(ctx, 2*sayEvery) // until all have heard of it
}

// take is what every client saw since the last take.
func (t *traffic) take() map[string]seen {
	out := map[string]seen{clientSockets: t.sockets.says.take(), clientPush: t.sockets.push.take(), clientWrites: t.writes.tally.take()}
	for path, tally := range t.http {
		out[path] = tally.take()
	}
	return out
}

// settled waits until no client has seen a failure for a while.
func (t *traffic) settled(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	quiet, bad := time.Now(), "nothing"
	for {
		for name, s := range t.peek() {
			if s > 0 {
				quiet, bad = time.Now(), name
			}
		}
		if time.Since(quiet) >= calm {
			return nil
		}
		if !pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("%s fails still, or failed last: %w", bad, ctx.Err())
		}
	}
}

// peek counts the failures since the last peek.
func (t *traffic) peek() map[string]int {
	out := map[string]int{clientSockets: t.sockets.says.fresh(), clientPush: t.sockets.push.fresh(), clientWrites: t.writes.tally.fresh()}
	for path, tally := range t.http {
		out[path] = tally.fresh()
	}
	return out
}

// suffer lets one fault happen and returns the line about it; the error names what broke.
func (s *site) suffer(ctx context.Context, t *traffic, f fault) (string, error) {
	t.spread(ctx)
	if err := t.settled(ctx, recoveryWithin); err != nil {
		return "", fmt.Errorf("before it: %w", err)
	}
	t.take()
	mend, err := f.strike(ctx)
	if err != nil {
		return "", err
	}
	began := time.Now()
	if err := mend(ctx); err != nil {
		return "", err
	}
	err = errors.Join(t.settled(ctx, recoveryWithin), s.ready(ctx))
	recovered := time.Since(began) - calm
	saw := t.take()
	line := fmt.Sprintf("%s: well %.1fs after", f.name, recovered.Seconds())
	return line + told(saw), errors.Join(err, judge(f, saw), s.invariants(ctx, t))
}

// told is what every client saw, for the line of what happened.
func told(saw map[string]seen) (text string) {
	for _, name := range slices.Concat(paths, []string{clientSockets, clientPush, clientWrites}) {
		text += fmt.Sprintf("; %s %s", name, saw[name])
	}
	return text
}

// judge compares what clients saw with the stated fallback.
func judge(f fault, saw map[string]seen) error {
	var problems []error
	for name, s := range saw {
		for outcome, n := range s.failed {
			if allowed := f.allowed[name]; !slices.Contains(allowed, "*") && !slices.Contains(allowed, outcome) {
				problems = append(problems, fmt.Errorf("%s saw %d× %s, which is not the stated fallback", name, n, outcome))
			}
		}
	}
	for _, name := range f.certain {
		if len(saw[name].failed) == 0 {
			problems = append(problems, fmt.Errorf("%s saw nothing: it did not happen, or to nobody", name))
		}
	}
	return errors.Join(problems...)
}

// invariants hold whatever happened.
func (s *site) invariants(ctx context.Context, t *traffic) error {
	var problems []error
	lost, _, err := t.writes.lost(ctx)
	if err != nil {
		problems = append(problems, err)
	}
	problems = append(problems, notLost(lost))
	if wrong := t.sockets.wronged(); len(wrong) > 0 {
		problems = append(problems, fmt.Errorf("live connections were answered 410: %v", wrong))
	}
	return errors.Join(problems...)
}
