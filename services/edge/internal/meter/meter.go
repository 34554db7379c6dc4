// Package meter spends what metering lends to this edge: a request takes its tokens from leases in memory, and metering is
// asked only when a lease is used up. When metering does not answer, throttles are enforced by this edge alone and quotas as
// configured, until it answers again.
//
// It does not decide which limits apply to a request. The surprise: of one counter at most one call is under way, a lease or a
// settlement; requests that find a token pass meanwhile, the others wait for its end.
package meter

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/limen-gateway/limen/core/throttle"
	"github.com/limen-gateway/limen/core/usageplan"
	"github.com/limen-gateway/limen/platform/rpc"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
)

// Name is what is counted: a quota of a key in a plan, or a throttle of what is named.
type Name struct {
	Account, Region, Plan, Key, API, Stage string
	Method                                 string // "{VERB} {path}"
	Quota                                  bool
}

// Limit is what applies to a counter, as of a revision.
type Limit struct {
	Throttle throttle.Limit
	Quota    *usageplan.Quota
	Revision int64
}

// Verdict is the answer to a request.
type Verdict struct {
	Refused bool
	// Alone tells that metering did not answer, and this edge decided by itself.
	Alone bool
}

// Config is how a meter is made.
type Config struct {
	// Client may be nil: then this edge counts alone.
	Client meteringv1.MeteringClient
	// DenyQuota refuses requests under a quota while metering does not answer.
	DenyQuota bool
	// Timeout of calls to metering; 0 is a second.
	Timeout time.Duration
	Log     *slog.Logger
}

// Meter is safe for concurrent use.
type Meter struct {
	config Config
	holder string
	// away is set while metering does not answer.
	away  atomic.Bool
	early chan *tally // leases to renew before they are used up
	// calls counts the calls to metering, for tests and metrics.
	calls atomic.Int64

	// mu guards what follows.
	mu      sync.RWMutex
	tallies map[Name]*tally
	// past is beyond the numbers of all tallies that were dropped: metering may remember theirs, and what is older than what it
	// remembers it passes over.
	past int64
}

// tally is one counter at this edge.
type tally struct {
	name Name

	mu       sync.Mutex
	limit    Limit
	tokens   int64 // of the lease, not spent
	held     bool  // there is a lease that was not settled
	sequence int64
	spent    int64 // of the lease
	reported int64 // of spent, what metering knows
	size     int64 // of the lease when it came
	expires  time.Time
	ending   time.Time     // from then on the lease is given back
	refused  time.Time     // until then requests are refused without asking
	asking   chan struct{} // closed when the call under way ends; nil when there is none
	unleased int64         // served without a lease, not reported
	told     int64         // served without a lease, what metering knows
	local    throttle.Bucket
	used     time.Time
	gone     bool // no longer in Meter.tallies
}

// New makes a meter; its Run settles leases.
func New(c Config) *Meter {
	if c.Timeout == 0 {
		c.Timeout = time.Second
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Meter{config: c, holder: rand.Text(), early: make(chan *tally, 256), tallies: map[Name]*tally{}}
}

// Calls is how many calls to metering were made for requests.
func (m *Meter) Calls() int64 { return m.calls.Load() }

func (m *Meter) tally(n Name) *tally {
	m.mu.RLock()
	t := m.tallies[n]
	m.mu.RUnlock()
	if t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.tallies[n]; t == nil {
		t = &tally{name: n, sequence: m.past, told: m.past}
		m.tallies[n] = t
	}
	return t
}

// Take takes one token.
func (m *Meter) Take(ctx context.Context, n Name, l Limit) Verdict {
	for {
		t := m.tally(n)
		t.mu.Lock()
		now := time.Now()
		switch {
		case t.gone:
			t.mu.Unlock()
			continue
		case t.tokens > 0 && now.Before(t.expires):
			t.spend(now)
			low := t.size >= 16 && t.tokens == t.size/4 && t.asking == nil
			t.mu.Unlock()
			if low {
				m.renewEarly(t)
			}
			return Verdict{}
		case m.config.Client == nil || m.away.Load():
			v := m.alone(t, l, now)
			t.mu.Unlock()
			return v
		case now.Before(t.refused) && l.Revision <= t.limit.Revision:
			t.mu.Unlock()
			return Verdict{Refused: true}
		case t.asking != nil:
			wait := t.asking
			t.mu.Unlock()
			select {
			case <-wait:
			case <-ctx.Done():
				return Verdict{Refused: true}
			}
		default:
			t.limit = l
			m.lease(ctx, t) // unlocks
		}
	}
}

// spend takes a token of the lease; the caller holds mu.
func (t *tally) spend(now time.Time) {
	t.tokens--
	t.spent++
	t.used = now
}

// alone decides without metering; the caller holds t.mu.
func (m *Meter) alone(t *tally, l Limit, now time.Time) Verdict {
	t.used = now
	if t.name.Quota {
		if m.config.DenyQuota {
			return Verdict{Refused: true, Alone: true}
		}
		t.unleased++
		return Verdict{Alone: true}
	}
	t.local.Refill(l.Throttle, 0, now.UnixNano())
	return Verdict{Refused: !t.local.Take(1), Alone: true}
}

// Refund gives back a token that Take gave, of a request that was refused for another reason.
func (m *Meter) Refund(n Name) {
	t := m.tally(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.held && t.spent > t.reported:
		t.tokens++
		t.spent--
	case t.unleased > 0:
		t.unleased--
	}
}

// Served counts a request of a plan without a quota: the ledger knows it, nothing limits it.
func (m *Meter) Served(n Name) {
	for {
		t := m.tally(n)
		t.mu.Lock()
		gone := t.gone
		if !gone {
			t.unleased++
			t.used = time.Now()
		}
		t.mu.Unlock()
		if !gone {
			return
		}
	}
}

func (m *Meter) renewEarly(t *tally) {
	select {
	case m.early <- t:
	default: // the request that finds no token asks
	}
}

// lease asks for tokens. The caller holds t.mu and no call is under way; lease unlocks it.
func (m *Meter) lease(ctx context.Context, t *tally) {
	t.asking = make(chan struct{})
	req := t.request(m.holder)
	t.mu.Unlock()
	// The answer belongs to everybody who waits, not to the request that asks.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.config.Timeout)
	defer cancel()
	m.calls.Add(1)
	asked := time.Now()
	res, err := m.config.Client.Lease(t.name.route(ctx), req)
	t.mu.Lock()
	defer t.mu.Unlock()
	close(t.asking)
	t.asking = nil
	if err != nil {
		m.lost(err)
		return
	}
	t.adopt(req, res, asked)
}

// request is the question for a lease; the caller holds mu.
func (t *tally) request(holder string) *meteringv1.LeaseRequest {
	req := &meteringv1.LeaseRequest{Holder: holder, Counter: t.name.counter(), Revision: t.limit.Revision, Sequence: t.sequence, Spent: t.spent}
	if q := t.limit.Quota; t.name.Quota && q != nil {
		req.Limit = &meteringv1.LeaseRequest_Quota{Quota: &meteringv1.Quota{Limit: q.Limit, Offset: q.Offset, Period: string(q.Period)}}
	} else {
		req.Limit = &meteringv1.LeaseRequest_Throttle{Throttle: &meteringv1.Throttle{Rate: t.limit.Throttle.Rate, Burst: t.limit.Throttle.Burst}}
	}
	return req
}

// adopt takes over a lease; what was spent while the question was under way is of it. The caller holds mu.
func (t *tally) adopt(req *meteringv1.LeaseRequest, res *meteringv1.LeaseResponse, asked time.Time) {
	if res.Tokens == 0 {
		t.tokens, t.held = 0, false
		t.reported = req.Spent
		t.refused = time.Now().Add(time.Duration(res.RetryMillis) * time.Millisecond)
		return
	}
	meanwhile := t.spent - req.Spent
	duration := time.Duration(res.DurationMillis) * time.Millisecond
	t.sequence, t.size, t.held = res.Sequence, res.Tokens, true
	t.tokens, t.spent, t.reported = max(res.Tokens-meanwhile, 0), meanwhile, 0
	t.expires = asked.Add(duration)
	t.ending = t.expires.Add(-min(duration/8, time.Second))
	t.refused = time.Time{}
}

func (n Name) counter() *meteringv1.Counter {
	return &meteringv1.Counter{Account: n.Account, Region: n.Region, UsagePlan: n.Plan, ApiKey: n.Key, Api: n.API, Stage: n.Stage, Method: n.Method}
}

// route sends the calls of one counter to one replica of metering, so that replicas do not race for it.
func (n Name) route(ctx context.Context) context.Context {
	return rpc.WithKey(ctx, n.Account, n.Region, n.Plan, n.Key, n.API, n.Stage, n.Method)
}

// Away tells that metering does not answer: limits are enforced by this edge alone.
func (m *Meter) Away() bool { return m.away.Load() }

// lost notes that metering does not answer; Run finds out when it does again.
func (m *Meter) lost(err error) {
	if m.away.CompareAndSwap(false, true) {
		m.config.Log.Warn("metering does not answer; limits are enforced by this edge alone", "error", err)
	}
}

func (m *Meter) found() {
	if m.away.CompareAndSwap(true, false) {
		m.config.Log.Info("metering answers again")
	}
}
