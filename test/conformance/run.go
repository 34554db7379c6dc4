package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"
)

// run is one case under way.
type run struct {
	judge
	target     *Target
	key        Key
	operations map[string]Operation
	// eventually is how long something may take that nothing announces: a message, a close, an event of a function.
	eventually time.Duration
	// ctx bounds what fakes do by themselves.
	ctx context.Context
	// revision is the last change that an answer told of; edges may be behind it until settle.
	revision string
	// socketAPI and socketStage are where the last WebSocket was opened.
	socketAPI, socketStage string
}

// pause lies between two looks at what happens by itself.
const pause = 20 * time.Millisecond

// newRun prepares a case in an account.
func newRun(t *Target, key Key, operations map[string]Operation) *run {
	return &run{target: t, key: key, operations: operations, judge: judge{
		&scope{values: map[string]any{
			"region": t.Region, "account": key.Account, "role": "arn:aws:iam::" + key.Account + ":role/gateway",
		}},
		&matcher{bound: map[string]string{}},
	}}
}

// steps plays a case up to its first difference.
func (r *run) steps(ctx context.Context, c *Case) error {
	for i := range c.Steps {
		s := &c.Steps[i]
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("%s %s: %w", s.ID, s.label(), err)
		}
	}
	if r.looked == 0 {
		return errors.New("nothing that the case expects was looked at")
	}
	return nil
}

// label names a step in a report.
func (s *Step) label() string {
	switch {
	case s.Request != nil:
		return s.Request.Method + " " + s.Request.Path
	case s.WebSocket != nil:
		return "websocket"
	}
	return s.Call
}

func (r *run) step(ctx context.Context, s *Step) error {
	if s.Repeat == nil {
		return r.once(ctx, s)
	}
	over, err := r.fillText(s.Repeat.Over)
	if err != nil {
		return err
	}
	list, ok := over.([]any)
	if !ok {
		return fmt.Errorf("repeat over %s, which is no list", short(over))
	}
	for _, item := range list {
		r.values[s.Repeat.As] = item
		if err := r.once(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) once(ctx context.Context, s *Step) error {
	if s.Call != "" {
		return r.callStep(ctx, s)
	}
	if err := r.settle(ctx); err != nil {
		return fmt.Errorf("edges do not follow: %w", err)
	}
	if s.WebSocket != nil {
		return r.socket(ctx, s)
	}
	return r.requestStep(ctx, s)
}

// settle waits until edges serve what was changed.
func (r *run) settle(ctx context.Context) error {
	err := r.target.settle(ctx, r.key, r.revision)
	if err == nil {
		r.revision = ""
	}
	return err
}

func (r *run) callStep(ctx context.Context, s *Step) error {
	a, err := r.call(ctx, s.Call, s.Params)
	if err != nil {
		return err
	}
	if s.ID != "" {
		r.values[s.ID] = a.body
	}
	if e := s.Expect; e != nil && e.Status == nil && e.Error == nil {
		if err := succeeded(a); err != nil {
			return err
		}
	}
	if err := r.expect(s.Expect, a); err != nil {
		return err
	}
	return r.save(s.Save, a.body)
}

func (r *run) requestStep(ctx context.Context, s *Step) error {
	before := r.marks()
	a, err := r.request(ctx, s.Request)
	if err != nil {
		return err
	}
	if s.ID != "" {
		r.values[s.ID] = a.body
	}
	if err := r.expect(s.Expect, a); err != nil || s.Expect == nil {
		return err
	}
	if err := r.notCalled(s.Expect.NotCalled, before); err != nil {
		return err
	}
	if s.Expect.LambdaEvent != nil {
		if err := r.events(s.Expect.LambdaEvent, false, before); err != nil {
			return err
		}
	}
	if s.Expect.LambdaEvents != nil {
		return r.events(s.Expect.LambdaEvents, true, before)
	}
	return nil
}

func (r *run) save(list []Save, body any) error {
	for _, s := range list {
		entries, _ := at(body, s.List, false)
		items, ok := entries.([]any)
		if !ok {
			return fmt.Errorf("save: the answer has no list %s", s.List)
		}
		where, err := r.fill(s.Where)
		if err != nil {
			return err
		}
		found := false
		for _, item := range items {
			// A search is no expectation, and what it compares proves nothing.
			if !found && (&matcher{bound: map[string]string{}}).match(where, item, false) == nil {
				r.values[s.As], found = at(item, s.Take, false)
			}
		}
		if !found {
			return fmt.Errorf("save: no entry of %s fits %s", s.List, s.Where)
		}
	}
	return nil
}

// marks tells how many events each backend has got.
func (r *run) marks() map[string]int {
	out := map[string]int{}
	for id, f := range r.backends {
		out[id] = len(f.since(0))
	}
	return out
}

func (r *run) notCalled(ids []string, before map[string]int) error {
	for _, id := range ids {
		r.looked++
		f := r.backends[id]
		if f == nil {
			return fmt.Errorf("notCalled: the case has no backend %s", id)
		}
		if n := len(f.since(before[id])); n > 0 {
			return fmt.Errorf("backend %s was called %d times", id, n)
		}
	}
	return nil
}

// events waits until the events that a function got since a mark are as expected.
func (r *run) events(c *EventCheck, all bool, before map[string]int) error {
	f := r.backends[c.Backend]
	if f == nil {
		return fmt.Errorf("event: the case has no backend %s", c.Backend)
	}
	judgeOf := r.lastEvent
	if all {
		judgeOf = r.allEvents
	}
	var err error
	for deadline := time.Now().Add(r.eventually); ; time.Sleep(pause) {
		kept := r.bound
		r.bound = maps.Clone(kept)
		if err = judgeOf(c, f.since(before[c.Backend])); err == nil || time.Now().After(deadline) {
			break
		}
		r.bound = kept
	}
	if err != nil {
		return fmt.Errorf("event of %s: %w", c.Backend, err)
	}
	return nil
}

// lastEvent judges one event: the last, or the first when the case says so.
func (r *run) lastEvent(c *EventCheck, events [][]byte) error {
	if c.Where != nil || c.Count != nil || c.Collect != nil || c.Equals != nil {
		return errors.New("where, count, collect and equals belong to lambdaEvents")
	}
	if len(c.Checks)+len(c.Absent) == 0 {
		return errors.New("nothing is expected of the event")
	}
	if len(events) == 0 {
		return errors.New("none came")
	}
	which := events[len(events)-1]
	switch c.Which {
	case "", "last":
	case "first":
		which = events[0]
	default:
		return fmt.Errorf("the format has no event %q", c.Which)
	}
	return r.event(c, bodyOf(which))
}

func (r *run) event(c *EventCheck, event any) error {
	if err := r.checks(c.Checks, event); err != nil {
		return err
	}
	return r.absent(event, c.Absent)
}

// allEvents judges the events that fit: how many there are, each by the checks, and one member of all as a list.
func (r *run) allEvents(c *EventCheck, events [][]byte) error {
	if c.Count == nil && c.Equals == nil && len(c.Checks)+len(c.Absent) == 0 {
		return errors.New("nothing is expected of the events")
	}
	var fitting, collected []any
	for _, e := range events {
		event := bodyOf(e)
		if c.Where == nil || r.check(c.Where, event) == nil {
			fitting = append(fitting, event)
		}
	}
	r.looked++
	if c.Count != nil && len(fitting) != *c.Count {
		return fmt.Errorf("%d came, want %d", len(fitting), *c.Count)
	}
	for _, event := range fitting {
		if err := r.event(c, event); err != nil {
			return err
		}
		if c.Collect != nil {
			path, err := r.scope.text(*c.Collect)
			if err != nil {
				return err
			}
			v, _ := at(event, path, false)
			collected = append(collected, v)
		}
	}
	if c.Equals == nil {
		return nil
	}
	want, err := r.fill(c.Equals)
	if err != nil {
		return err
	}
	return r.match(want, collected, false)
}
