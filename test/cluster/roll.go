package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// rolled are the services in the order of an upgrade (docs/operations/upgrade.md); the way back is the opposite. The entry is
// not among them: there is one, on a port that Docker gives anew.
var rolled = []string{"etcd1", "etcd2", "etcd3", "nats1", "nats2", "nats3", "metering", "cache", "edge", "wsconn", "authz", "functions", "admin"}

// roll restarts the containers of a service one after the other under load, each when the one before is healthy again, with
// a binary. Only sockets may see it, and those a close that says so.
func (s *site) roll(ctx context.Context, t *traffic, service string, b binary) (string, error) {
	if err := t.settled(ctx, recoveryWithin); err != nil {
		return "", fmt.Errorf("before it: %w", err)
	}
	names, err := s.containers(ctx, service)
	if err != nil {
		return "", err
	}
	return s.planned(ctx, t, fmt.Sprintf("roll of %s (%d) to %s", service, len(names), b.name), rollingAllows(service), func() error {
		for _, name := range names {
			if err := s.restart(ctx, name, b.path); err != nil {
				return err
			}
		}
		return nil
	})
}

// planned does something that clients may see no more of than what is allowed, and returns the line about it.
func (s *site) planned(ctx context.Context, t *traffic, line string, allowed map[string][]string, do func() error) (string, error) {
	t.take()
	if err := do(); err != nil {
		return line, err
	}
	pause(ctx, calm)
	saw := t.take()
	return line + told(saw), errors.Join(judge(fault{allowed: allowed}, saw), s.invariants(ctx, t))
}

// rollingAllows: no request is lost. A socket is told to come back, a push may have to be sent again.
func rollingAllows(service string) map[string][]string {
	switch {
	case service == "edge" || service == "wsconn":
		return map[string][]string{clientSockets: {"close 1001"}, clientPush: {"410", "503"}}
	case strings.HasPrefix(service, "etcd"):
		return map[string][]string{clientWrites: {"not acknowledged"}} // a complete answer, 503: this client does not send it again
	case strings.HasPrefix(service, "nats"):
		return map[string][]string{clientPush: {"503"}}
	}
	return nil
}

// restart ends a container's program by SIGTERM and starts it again, with another binary if one is named. That is put in place
// while nothing runs: a functions host would start it half written.
func (s *site) restart(ctx context.Context, container, path string) error {
	steps := [][]string{{"stop", "--time", "60", container}, {"cp", path, container + ":/limen"}, {"start", container}}
	if path == "" {
		steps = [][]string{{"restart", "--time", "60", container}}
	}
	for _, step := range steps {
		if _, err := s.docker(ctx, step...); err != nil {
			return err
		}
	}
	return s.ready(ctx)
}

// binary is what a service is restarted with.
type binary struct {
	name, path string
	order      []string
}

// binaries are those of a roll: of the commit before, and back. Where the checkout does not reach so far back it is a plain
// restart.
func (s *site) binaries(ctx context.Context) (list []binary, clean func(), err error) {
	if _, err := s.run(ctx, "git", "-C", s.root, "rev-parse", "--verify", "--quiet", "HEAD~1"); err != nil {
		say("upgrade: NOT tried: this checkout has no commit before")
		return []binary{{"itself", "", rolled}}, func() {}, nil
	}
	tree := filepath.Join(s.root, "bin", s.name)
	if _, err := s.run(ctx, "git", "-C", s.root, "worktree", "add", "--detach", tree, "HEAD~1"); err != nil {
		return nil, nil, err
	}
	clean = func() {
		_, _ = s.run(context.WithoutCancel(ctx), "git", "-C", s.root, "worktree", "remove", "--force", tree)
	}
	if _, err := s.run(ctx, "make", "-C", tree, "build"); err != nil {
		clean()
		return nil, nil, err
	}
	back := slices.Clone(rolled)
	slices.Reverse(back)
	return []binary{{"the commit before", filepath.Join(tree, "bin", "limen"), back}, {"this one", filepath.Join(s.root, "bin", "limen"), rolled}}, clean, nil
}

// scale gives services more replicas, waits until they have work, and takes them away again under load.
func (s *site) scale(ctx context.Context, t *traffic, report func(string, error)) {
	line, err := s.scaleUp(ctx)
	report("scale to four edges and three wsconn: "+line, err)
	if err != nil {
		return
	}
	if err := t.settled(ctx, recoveryWithin); err != nil {
		report("", fmt.Errorf("after scaling: %w", err))
		return
	}
	report(s.planned(ctx, t, "scale back to two of each", rollingAllows("edge"), func() error { return s.replicas(ctx, 2, 2) }))
}

// replicas has so many containers of both services.
func (s *site) replicas(ctx context.Context, edges, nodes int) error {
	if _, err := s.do(ctx, "up", "-d", "--no-build", "--scale", fmt.Sprint("edge=", edges), "--scale", fmt.Sprint("wsconn=", nodes)); err != nil {
		return err
	}
	return s.ready(ctx)
}

// foundWithin is how long it may take until a new replica has work.
const foundWithin = 10 * time.Second

func (s *site) scaleUp(ctx context.Context) (string, error) {
	if err := s.replicas(ctx, 4, 3); err != nil {
		return "", err
	}
	out, err := s.command(ctx, "wait", s.rest, stage)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(out, "4 of 4 edges") {
		return "", fmt.Errorf("limen wait says %s", out)
	}
	if err := s.served(ctx, "edge", 4, foundWithin); err != nil {
		return "", err
	}
	connections, err := s.connected(ctx, 3, foundWithin)
	return fmt.Sprintf("%s, and the wsconn have %v connections", strings.TrimSpace(out), connections), err
}
