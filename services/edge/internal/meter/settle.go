package meter

import (
	"context"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/run"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
)

// Intervals of Run.
const (
	sweepInterval  = 100 * time.Millisecond
	reportInterval = time.Second // what was served of quotas
	probeInterval  = 500 * time.Millisecond
	idle           = time.Minute
)

// batch is the largest number of settlements in one call.
const batch = 100

// Run settles leases, reports what was served and follows recalls, until ctx ends; then it gives everything back.
func (m *Meter) Run(ctx context.Context) {
	if m.config.Client == nil {
		<-ctx.Done()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { m.followRecalls(ctx) })
	wg.Go(func() { m.renew(ctx) })
	wg.Go(func() { m.probe(ctx) })
	sweep, reported := time.NewTicker(sweepInterval), time.Now()
	defer sweep.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case now := <-sweep.C:
			report := now.Sub(reported) >= reportInterval
			if report {
				reported = now
			}
			if !m.away.Load() {
				m.settle(ctx, m.due(func(t *tally) (bool, bool) { return t.held && !now.Before(t.ending), report }))
			}
			m.forget(now)
		}
	}
	wg.Wait()
	m.settle(context.WithoutCancel(ctx), m.due(func(t *tally) (bool, bool) { return t.held, true }))
}

// settlement is one tally whose call is under way.
type settlement struct {
	t    *tally
	line *meteringv1.Settlement
}

// due picks the tallies with something to tell, and marks a call as under way for each. which says whether a lease ends and
// whether what was served is to be reported.
func (m *Meter) due(which func(*tally) (end, report bool)) []settlement {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var out []settlement
	for _, t := range m.tallies {
		t.mu.Lock()
		if end, report := which(t); t.asking == nil && (end || report && t.name.Quota && (t.spent > t.reported || t.unleased > 0)) {
			out = append(out, settlement{t, t.settlement(end)})
		}
		t.mu.Unlock()
	}
	return out
}

// settlement takes the line of a tally and marks the call; the caller holds mu.
func (t *tally) settlement(end bool) *meteringv1.Settlement {
	t.asking = make(chan struct{})
	if end {
		t.tokens = 0 // nobody spends of it any more
	}
	return &meteringv1.Settlement{Counter: t.name.counter(), Quota: t.name.Quota, Sequence: t.sequence, Spent: t.spent, Reported: t.reported, Ended: end,
		Unleased: t.unleased, UnleasedBefore: proto.Int64(t.told)}
}

// settle sends settlements. What could not be sent is sent again by the next sweep: each names its lease and a sum.
func (m *Meter) settle(ctx context.Context, all []settlement) {
	for len(all) > 0 {
		part := all[:min(len(all), batch)]
		all = all[len(part):]
		req := &meteringv1.SettleRequest{Holder: m.holder}
		for _, s := range part {
			req.Settlements = append(req.Settlements, s.line)
		}
		bounded, cancel := context.WithTimeout(ctx, m.config.Timeout)
		_, err := m.config.Client.Settle(bounded, req)
		cancel()
		if err != nil && ctx.Err() == nil {
			m.lost(err)
		}
		for _, s := range part {
			s.t.settled(s.line, err == nil)
		}
	}
}

func (t *tally) settled(line *meteringv1.Settlement, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.asking)
	t.asking = nil
	if !ok {
		return
	}
	t.unleased -= line.Unleased
	t.told += line.Unleased
	t.reported = line.Spent
	if line.Ended {
		t.held = false
	}
}

// forget drops tallies that nobody used for a while and that owe nothing.
func (m *Meter) forget(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, t := range m.tallies {
		t.mu.Lock()
		if t.asking == nil && !t.held && t.unleased == 0 && now.Sub(t.used) > idle && now.After(t.refused) {
			t.gone = true
			m.past = max(m.past, t.sequence, t.told) + 1
			delete(m.tallies, name)
		}
		t.mu.Unlock()
	}
}

// renew asks for leases that are nearly used up.
func (m *Meter) renew(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case t := <-m.early:
			t.mu.Lock()
			if t.asking != nil || t.gone || m.away.Load() {
				t.mu.Unlock()
				continue
			}
			m.lease(ctx, t) // unlocks
		}
	}
}

// probe asks a metering that did not answer whether it does again, so that no request has to find out.
func (m *Meter) probe(ctx context.Context) {
	for run.Pause(ctx, probeInterval) {
		if !m.away.Load() {
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, m.config.Timeout)
		_, err := m.config.Client.Settle(bounded, &meteringv1.SettleRequest{Holder: m.holder})
		cancel()
		if err == nil {
			m.found()
		}
	}
}

// followRecalls gives back what metering asks for.
func (m *Meter) followRecalls(ctx context.Context) {
	for ctx.Err() == nil {
		stream, err := m.config.Client.Recalls(ctx, &meteringv1.RecallsRequest{Holder: m.holder})
		for err == nil {
			var r *meteringv1.Recall
			if r, err = stream.Recv(); err == nil && r.Counter != nil {
				m.giveBack(ctx, nameOf(r))
			}
		}
		run.Pause(ctx, probeInterval)
	}
}

func nameOf(r *meteringv1.Recall) Name {
	c := r.Counter
	return Name{Account: c.Account, Region: c.Region, Plan: c.UsagePlan, Key: c.ApiKey, API: c.Api, Stage: c.Stage, Method: c.Method, Quota: r.Quota}
}

// giveBack ends a lease, after the call that may be under way for it.
func (m *Meter) giveBack(ctx context.Context, n Name) {
	m.mu.RLock()
	t := m.tallies[n]
	m.mu.RUnlock()
	for t != nil {
		t.mu.Lock()
		wait := t.asking
		if wait == nil {
			if !t.held || t.gone {
				t.mu.Unlock()
				return
			}
			line := t.settlement(true)
			t.mu.Unlock()
			m.settle(ctx, []settlement{{t, line}})
			return
		}
		t.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return
		}
	}
}
