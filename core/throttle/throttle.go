// Package throttle knows the token bucket of API Gateway: burstLimit is its capacity, rateLimit its refill in tokens per
// second, and a request that finds no token is refused at once (spec/rest.md 10.1).
//
// Time is integer nanoseconds and an argument; the level is counted in billionths of a token, so nothing is lost between two
// refills. The surprise: tokens that are lent out still occupy the bucket, so that what comes back never exceeds the burst.
package throttle

import (
	"math"
	"strconv"
)

// Limit is a rate in tokens per second and a burst in tokens. A negative rate is no limit; 0 and 0 refuse everything.
type Limit struct {
	Rate  float64
	Burst int64
}

// None is no limit.
var None = Limit{Rate: -1, Burst: -1}

// maxBurst keeps a level inside of an int64.
const maxBurst = math.MaxInt32

// Of makes a limit of AWS's optional members. Without a rate, or with a negative one, there is no limit; without a burst, or
// with a negative one, the burst is one second of the rate, at least one token.
func Of(rate *float64, burst *int32) Limit {
	if rate == nil || !(*rate >= 0) {
		return None
	}
	l := Limit{Rate: *rate, Burst: -1}
	if burst != nil {
		l.Burst = int64(*burst)
	}
	if l.Burst < 0 {
		l.Burst = int64(min(max(math.Ceil(l.Rate), 1), maxBurst))
	}
	return l
}

// Unlimited reports whether the limit refuses nothing.
func (l Limit) Unlimited() bool { return l.Rate < 0 }

// String is the limit as execution logs write it.
func (l Limit) String() string {
	if l.Unlimited() {
		return "no limit"
	}
	return "Limit: " + strconv.FormatFloat(l.Rate, 'f', 2, 64) + " Burst: " + strconv.FormatInt(l.Burst, 10)
}

// unit is one token in the level's unit.
const unit = 1_000_000_000

// Bucket is the state of a token bucket. The zero value is full at its first use. It is not safe for concurrent use.
type Bucket struct {
	Level   int64 // billionths of a token
	At      int64 // nanoseconds since the Unix epoch, of the last refill
	Started bool
}

// Refill brings the bucket to now; lent tokens occupy capacity. A clock that goes back refills nothing.
func (b *Bucket) Refill(l Limit, lent, now int64) {
	capacity := max(min(l.Burst, maxBurst)-lent, 0) * unit
	if !b.Started {
		*b = Bucket{Level: capacity, At: now, Started: true}
		return
	}
	if elapsed := now - b.At; elapsed > 0 {
		// A float tells an overflow, an integer keeps the fraction.
		if gained := float64(elapsed) * l.Rate; gained >= float64(capacity) {
			b.Level = capacity
		} else {
			b.Level += int64(gained)
		}
		b.At = now
	}
	b.Level = min(b.Level, capacity)
}

// Tokens are the whole tokens in the bucket.
func (b *Bucket) Tokens() int64 { return max(b.Level, 0) / unit }

// Take takes n tokens if they are there. Refill comes before it.
func (b *Bucket) Take(n int64) bool {
	if b.Tokens() < n {
		return false
	}
	b.Level -= n * unit
	return true
}

// Return puts tokens back; what exceeds the capacity is lost at the next Refill.
func (b *Bucket) Return(n int64) { b.Level += n * unit }

// Next is how many nanoseconds pass until the bucket has a whole token; very long when it never will.
func (b *Bucket) Next(l Limit) int64 {
	missing := unit - b.Level
	if missing <= 0 {
		return 0
	}
	if wait := math.Ceil(float64(missing) / l.Rate); l.Burst > 0 && wait < math.MaxInt64/2 {
		return int64(wait)
	}
	return math.MaxInt64 / 2
}
