package throttle

import (
	"math/rand/v2"
	"testing"
	"time"
)

func f(v float64) *float64 { return &v }
func i(v int32) *int32     { return &v }

func TestOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rate  *float64
		burst *int32
		want  Limit
	}{
		{"both", f(10), i(20), Limit{10, 20}},
		{"nothing", nil, nil, None},
		{"burst alone", nil, i(5), None},
		{"minus one", f(-1), i(5), None},
		{"rate alone", f(2.5), nil, Limit{2.5, 3}},
		{"slow rate alone", f(0.1), i(-1), Limit{0.1, 1}},
		{"zero blocks", f(0), i(0), Limit{0, 0}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Of(tt.rate, tt.burst); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if got := (Limit{5, 10}).String(); got != "Limit: 5.00 Burst: 10" {
		t.Error(got)
	}
}

// TestBucket: each step is a moment in milliseconds, how many are asked for, and how many pass.
func TestBucket(t *testing.T) {
	type step struct{ at, ask, pass int64 }
	for _, tt := range []struct {
		name  string
		limit Limit
		steps []step
	}{
		{"burst, then rate", Limit{10, 20}, []step{{0, 30, 20}, {99, 1, 0}, {100, 2, 1}, {1100, 20, 10}, {9000, 30, 20}}},
		{"burst smaller than rate", Limit{100, 5}, []step{{0, 10, 5}, {10, 3, 1}, {1000, 10, 5}}},
		{"fractions are kept", Limit{3, 1}, []step{{0, 1, 1}, {333, 1, 0}, {334, 1, 1}, {667, 1, 0}, {668, 1, 1}}},
		{"zero blocks everything", Limit{0, 0}, []step{{0, 1, 0}, {1 << 40, 1, 0}}},
		{"no refill", Limit{0, 2}, []step{{0, 3, 2}, {1 << 40, 1, 0}}},
		{"a clock that goes back", Limit{1, 1}, []step{{5000, 1, 1}, {1000, 1, 0}, {5999, 1, 0}, {6000, 1, 1}}},
		{"largest limits", Limit{1e15, 1<<31 - 1}, []step{{0, 100, 100}, {1 << 42, 100, 100}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b Bucket
			for _, s := range tt.steps {
				b.Refill(tt.limit, 0, s.at*int64(time.Millisecond))
				var passed int64
				for range s.ask {
					if b.Take(1) {
						passed++
					}
				}
				if passed != s.pass {
					t.Errorf("at %d ms %d of %d pass, want %d", s.at, passed, s.ask, s.pass)
				}
			}
		})
	}
}

func TestNext(t *testing.T) {
	l := Limit{10, 1}
	var b Bucket
	b.Refill(l, 0, 0)
	if got := b.Next(l); got != 0 {
		t.Error(got)
	}
	b.Take(1)
	if got := b.Next(l); got != int64(100*time.Millisecond) {
		t.Error(got)
	}
	b.Refill(l, 0, b.Next(l))
	if !b.Take(1) {
		t.Error("no token when Next said")
	}
	never := Limit{0, 0}
	var c Bucket
	c.Refill(never, 0, 0)
	if got := time.Duration(c.Next(never)); got < 24*time.Hour {
		t.Error(got)
	}
}

// TestNeverMoreThanBurstAndRate: whatever is lent, returned and asked, what passes in all stays within the limit.
func TestNeverMoreThanBurstAndRate(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		l := Limit{Rate: random.Float64() * 50, Burst: random.Int64N(30)}
		var b Bucket
		var now, lent, spent int64
		for range 200 {
			now += random.Int64N(int64(200 * time.Millisecond))
			b.Refill(l, lent, now)
			if n := random.Int64N(5); b.Take(n) {
				lent += n
			}
			if lent > 0 {
				back := random.Int64N(lent + 1)
				used := random.Int64N(back + 1)
				lent, spent = lent-back, spent+used
				b.Return(back - used)
			}
			if allowed := float64(l.Burst) + l.Rate*float64(now)/1e9; float64(spent+lent) > allowed+1e-6 {
				t.Fatalf("%v: %d spent and %d lent after %v, at most %f", l, spent, lent, time.Duration(now), allowed)
			}
		}
	}
}

func BenchmarkBucket(b *testing.B) {
	l := Limit{1e9, 1 << 20}
	var k Bucket
	now := int64(0)
	for b.Loop() {
		now += 10
		k.Refill(l, 0, now)
		k.Take(1)
	}
}
