// Package bucket lends the tokens of throttles to edges: short leases out of one token bucket for all of them. What is lent
// occupies the bucket until it is spent or comes back, so a cluster of edges never passes more than one bucket would
// (spec/rest.md 10.1).
package bucket

import (
	"time"

	"github.com/limen-gateway/limen/core/throttle"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering/internal/counter"
)

// maxRetry is the longest time a refused edge is told to wait: limits change, and leases elsewhere end.
const maxRetry = time.Second

func limitOf(r *meteringv1.Record) throttle.Limit {
	return throttle.Limit{Rate: r.Throttle.GetRate(), Burst: r.Throttle.GetBurst()}
}

// Lend lends up to half of what the bucket holds, so that the next edge finds something. Loans end with their duration; grace
// is how long after that unused tokens are still expected back.
func Lend(r *meteringv1.Record, req *meteringv1.LeaseRequest, now time.Time, duration, grace time.Duration) *meteringv1.LeaseResponse {
	if req.Revision >= r.Revision || r.Throttle == nil {
		r.Counter, r.Revision, r.Throttle = req.Counter, req.Revision, req.GetThrottle()
	}
	counter.Expire(r, now.Add(-grace).UnixMilli())
	_, loan, repeated := counter.Spend(r, req.Holder, req.Sequence, req.Spent)
	if repeated && loan.Expires > now.UnixMilli() && counter.Left(loan) > 0 {
		return &meteringv1.LeaseResponse{Tokens: counter.Left(loan), Sequence: loan.Sequence, DurationMillis: loan.Expires - now.UnixMilli()}
	}
	b := state(r, now)
	tokens := (b.Tokens() + 1) / 2
	if req.Want > 0 {
		tokens = min(tokens, req.Want)
	}
	b.Take(tokens)
	if tokens+counter.Left(loan) == 0 {
		store(r, b)
		retry := time.Duration(min(b.Next(limitOf(r)), int64(maxRetry)))
		if counter.Lent(r) > 0 {
			retry = min(retry, duration)
		}
		return &meteringv1.LeaseResponse{RetryMillis: max(retry.Milliseconds(), 1)}
	}
	store(r, b)
	loan = counter.Renew(r, req.Holder, req.Sequence, req.Spent, tokens, now.Add(duration).UnixMilli())
	return &meteringv1.LeaseResponse{Tokens: loan.Tokens, Sequence: loan.Sequence, DurationMillis: duration.Milliseconds()}
}

// Settle takes over what an edge spent of its lease, and takes the rest back when the lease ended.
func Settle(r *meteringv1.Record, holder string, s *meteringv1.Settlement, now time.Time) {
	_, loan, _ := counter.Spend(r, holder, s.Sequence, s.Spent)
	if loan == nil || !s.Ended || loan.Sequence != s.Sequence {
		return
	}
	back := counter.Left(loan)
	b := state(r, now) // refilled while the loan still occupies the bucket
	counter.End(loan)
	b.Return(back)
	store(r, b)
}

func state(r *meteringv1.Record, now time.Time) throttle.Bucket {
	b := throttle.Bucket{Level: r.Level, At: r.At, Started: r.Started}
	b.Refill(limitOf(r), counter.Lent(r), now.UnixNano())
	return b
}

func store(r *meteringv1.Record, b throttle.Bucket) {
	r.Level, r.At, r.Started = b.Level, b.At, b.Started
}
