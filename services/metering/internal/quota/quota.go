// Package quota lends the requests of a quota to edges and keeps its two columns: granted, which is enforced and never
// exceeds the limit, and served, which edges report and the ledger shows (foundations 7).
//
// All of it works on a record; whoever calls stores the record before it tells anybody. The surprise: leases of a window that
// has ended are void, and what is reported of them later belongs to the day of the report.
package quota

import (
	"math"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/usageplan"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering/internal/counter"
)

const (
	// ledgerDays is how far the ledger reaches back.
	ledgerDays = 92
	// parts: a lease is that part of what is left, so that leases shrink toward the limit, down to one.
	parts = 8
	// retry is how long a refused edge refuses by itself: limits may be raised, and leases elsewhere end.
	retry = time.Second
)

// endless stands for no limit.
const endless = math.MaxInt64 / 4

// Terms are how leases are given.
type Terms struct {
	Now      time.Time
	Duration time.Duration
	// Grace is how long after its end a lease may still be settled.
	Grace time.Duration
	Max   int64
}

// Lost is a lease whose holder never came back.
type Lost struct {
	Holder string
	Tokens int64
}

// Adopt takes over the limits of a revision that is not older than what the record knows.
func Adopt(r *meteringv1.Record, c *meteringv1.Counter, q *meteringv1.Quota, revision int64, now time.Time) {
	if r.Quota != nil && revision < r.Revision || q == nil {
		return
	}
	before := r.Quota
	r.Counter, r.Revision, r.Quota = c, revision, q
	if before == nil || before.Period == q.Period {
		return
	}
	// Another period has other windows; what was granted in the new one is what the ledger knows of it.
	start, _ := period(r).Window(now)
	r.WindowStart, r.FirstWindow, r.Extended, r.Forfeited = start.Unix(), false, nil, 0
	r.Served = 0
	for _, d := range r.Days {
		if d.Day >= start.Unix()/daySeconds {
			r.Served += d.Used
		}
	}
	r.Granted = r.Served + counter.Lent(r)
}

const daySeconds = 24 * 60 * 60

func period(r *meteringv1.Record) usageplan.Period { return usageplan.Period(r.Quota.GetPeriod()) }

// Roll opens the window of now when it is a new one. A clock that goes back opens nothing.
func Roll(r *meteringv1.Record, now time.Time) {
	start, _ := period(r).Window(now)
	if start.Unix() <= r.WindowStart && r.WindowStart != 0 {
		return
	}
	r.FirstWindow = r.WindowStart == 0
	r.WindowStart = start.Unix()
	r.Granted, r.Served, r.Forfeited, r.Extended, r.Loans = 0, 0, 0, nil, nil
}

// Limit is what may be granted in the present window.
func Limit(r *meteringv1.Record) int64 {
	switch {
	case r.Extended != nil:
		return *r.Extended
	case r.Quota == nil || r.Quota.Unlimited:
		return endless
	}
	return usageplan.Quota{Limit: r.Quota.Limit, Offset: r.Quota.Offset}.Of(r.FirstWindow)
}

// Remaining is what a key has left in the present window, what edges hold and have not spent included.
func Remaining(r *meteringv1.Record) int64 {
	if Limit(r) >= endless {
		return math.MaxInt32 // what AWS's own limit member can hold at most
	}
	return max(Limit(r)-r.Granted+counter.Lent(r), 0)
}

// Forfeit gives up the leases that ended and were not settled in time. What they had stays granted.
func Forfeit(r *meteringv1.Record, t Terms) []Lost {
	var out []Lost
	for _, l := range counter.Expire(r, t.Now.Add(-t.Grace).UnixMilli()) {
		if left := counter.Left(l); left > 0 {
			r.Forfeited += left
			out = append(out, Lost{l.Holder, left})
		}
	}
	return out
}

// Lend lends requests to an edge. Without tokens in the answer it is refused.
func Lend(r *meteringv1.Record, req *meteringv1.LeaseRequest, t Terms) (*meteringv1.LeaseResponse, []Lost) {
	Adopt(r, req.Counter, req.GetQuota(), req.Revision, t.Now)
	Roll(r, t.Now)
	lost := Forfeit(r, t)
	fresh, loan, repeated := counter.Spend(r, req.Holder, req.Sequence, req.Spent)
	serve(r, fresh, t.Now)
	_, end := period(r).Window(t.Now)
	duration := max(min(t.Duration, end.Sub(t.Now)), time.Millisecond)
	if repeated && loan.Expires > t.Now.UnixMilli() && counter.Left(loan) > 0 {
		return &meteringv1.LeaseResponse{Tokens: counter.Left(loan), Sequence: loan.Sequence, DurationMillis: loan.Expires - t.Now.UnixMilli()}, lost
	}
	free := max(Limit(r)-r.Granted, 0)
	more := min((free+parts-1)/parts, t.Max)
	if req.Want > 0 {
		more = min(more, req.Want)
	}
	if more+counter.Left(loan) == 0 {
		return &meteringv1.LeaseResponse{RetryMillis: max(min(retry, duration).Milliseconds(), 1)}, lost
	}
	r.Granted += more
	loan = counter.Renew(r, req.Holder, req.Sequence, req.Spent, more, t.Now.Add(duration).UnixMilli())
	return &meteringv1.LeaseResponse{Tokens: loan.Tokens, Sequence: loan.Sequence, DurationMillis: duration.Milliseconds()}, lost
}

// Settle takes over what an edge served, and takes the rest of its lease back when the lease ended.
func Settle(r *meteringv1.Record, holder string, s *meteringv1.Settlement, t Terms) []Lost {
	if r.Counter == nil {
		r.Counter = s.Counter
	}
	Roll(r, t.Now)
	lost := Forfeit(r, t)
	fresh, loan, _ := counter.Spend(r, holder, s.Sequence, s.Spent)
	if loan == nil {
		fresh = max(s.Spent-s.Reported, 0) // of a lease that was given up, or of the window before
		loan = counter.Remember(r, holder, s, t.Now.Add(t.Duration).UnixMilli())
	}
	if s.Ended && loan.Sequence == s.Sequence {
		r.Granted -= counter.Left(loan)
		counter.End(loan)
	}
	unleased := counter.Unleased(loan, s)
	// What was served without a lease takes its place in the quota as far as there is any.
	r.Granted += min(unleased, max(Limit(r)-r.Granted, 0))
	serve(r, fresh+unleased, t.Now)
	return lost
}

// Extend sets how many requests are left in the present window.
func Extend(r *meteringv1.Record, remaining int64, now time.Time) {
	Roll(r, now)
	r.Extended = proto.Int64(r.Granted - counter.Lent(r) + max(remaining, 0))
	serve(r, 0, now)
}

// serve writes the ledger.
func serve(r *meteringv1.Record, n int64, now time.Time) {
	r.Served += n
	day := now.UTC().Unix() / daySeconds
	at := slices.IndexFunc(r.Days, func(d *meteringv1.Day) bool { return d.Day == day })
	if at < 0 && n == 0 && r.Extended == nil {
		return
	}
	if at < 0 {
		r.Days = append(r.Days, &meteringv1.Day{Day: day})
		at = len(r.Days) - 1
	}
	r.Days[at].Used += n
	r.Days[at].Remaining = Remaining(r)
	r.Days = slices.DeleteFunc(r.Days, func(d *meteringv1.Day) bool { return d.Day < day-ledgerDays })
}
