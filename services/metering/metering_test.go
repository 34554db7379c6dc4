package metering

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/natstest"
	"github.com/limen-gateway/limen/platform/rpc"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering/internal/counter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the injected time.
type clock struct{ now atomic.Int64 }

func at(text string) *clock {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	c := &clock{}
	c.now.Store(t.UnixNano())
	return c
}

func (c *clock) Now() time.Time       { return time.Unix(0, c.now.Load()) }
func (c *clock) pass(d time.Duration) { c.now.Add(int64(d)) }
func (c *clock) set(other *clock)     { c.now.Store(other.now.Load()) }

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// world is metering with an edge's and an admin's connection to it.
type world struct {
	t       *testing.T
	nats    *natstest.Server
	service *Service
	edge    meteringv1.MeteringClient
	admin   meteringv1.MeteringClient
	clock   *clock
	log     *buffer
}

// overBoth runs a test over Local and over TCP.
func overBoth(t *testing.T, c Config, test func(*world)) {
	for _, tcp := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "tcp"}[tcp], func(t *testing.T) {
			test(start(t, natstest.Start(t), c, tcp))
		})
	}
}

func start(t *testing.T, n *natstest.Server, c Config, tcp bool) *world {
	t.Helper()
	w := &world{t: t, nats: n, clock: at("2026-03-04T12:00:00Z"), log: &buffer{}}
	var err error
	w.service, err = New(c, Deps{NATS: n.Conn, Now: w.clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true})
	w.service.Register(server)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var listeners []net.Listener
	if tcp {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	wg.Go(func() { _ = server.Serve(ctx, listeners...) })
	wg.Go(func() { _ = w.service.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	connect := func(role rpc.Role) grpc.ClientConnInterface {
		if !tcp {
			return server.Local(role)
		}
		conn, err := rpc.Dial(listeners[0].Addr().String(), rpc.ClientConfig{Tables: rpc.House(), Claim: role})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	w.edge, w.admin = meteringv1.NewMeteringClient(connect(rpc.Edge)), meteringv1.NewMeteringClient(connect(rpc.Admin))
	select {
	case <-w.service.Ready():
	case <-time.After(30 * time.Second):
		t.Fatal("not ready: " + w.log.String())
	}
	return w
}

var key = &meteringv1.Counter{Account: "123456789012", Region: "us-east-1", UsagePlan: "plan", ApiKey: "key"}

func daily(limit int64) *meteringv1.LeaseRequest_Quota {
	return &meteringv1.LeaseRequest_Quota{Quota: &meteringv1.Quota{Limit: limit, Period: "DAY"}}
}

func (w *world) lease(holder string, sequence, spent, want int64, q *meteringv1.LeaseRequest_Quota) *meteringv1.LeaseResponse {
	w.t.Helper()
	res, err := w.edge.Lease(context.Background(), &meteringv1.LeaseRequest{Holder: holder, Counter: key, Revision: 1, Limit: q, Sequence: sequence, Spent: spent, Want: want})
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *world) settle(holder string, s *meteringv1.Settlement) {
	w.t.Helper()
	s.Counter, s.Quota = key, true
	if _, err := w.edge.Settle(context.Background(), &meteringv1.SettleRequest{Holder: holder, Settlements: []*meteringv1.Settlement{s}}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) record() *meteringv1.Record {
	w.t.Helper()
	r, err := w.service.store.Get(context.Background(), counter.Name(key, true))
	if err != nil || r == nil {
		w.t.Fatal(r, err)
	}
	return r
}

// TestLeasesShrink: an edge that spends all it gets is given exactly the quota, in leases that shrink to one.
func TestLeasesShrink(t *testing.T) {
	overBoth(t, Config{}, func(w *world) {
		var sequence, spent, total int64
		var sizes []string
		for {
			res := w.lease("a", sequence, spent, 0, daily(100))
			if res.Tokens == 0 {
				if res.RetryMillis == 0 {
					t.Error("refused without a time to ask again")
				}
				break
			}
			sizes = append(sizes, fmt.Sprint(res.Tokens))
			sequence, spent, total = res.Sequence, res.Tokens, total+res.Tokens
		}
		if got := strings.Join(sizes, " "); total != 100 || !strings.HasPrefix(got, "13 11 10 9 8") || !strings.HasSuffix(got, "1 1 1") {
			w.t.Errorf("%d in leases of %s", total, got)
		}
		if r := w.record(); r.Granted != 100 || r.Served != 100 || counter.Lent(r) != 0 {
			w.t.Errorf("%v", r)
		}
	})
}

// TestAnswersThatAreLost: a call that is repeated because its answer was lost is answered with the same lease.
func TestAnswersThatAreLost(t *testing.T) {
	overBoth(t, Config{}, func(w *world) {
		first := w.lease("a", 0, 0, 0, daily(100))
		if again := w.lease("a", 0, 0, 0, daily(100)); again.Tokens != first.Tokens || again.Sequence != first.Sequence {
			w.t.Errorf("%v, then %v", first, again)
		}
		lost := w.lease("a", first.Sequence, 5, 0, daily(100)) // 8 left, and more
		// The edge did not hear of it, and spent three more of the first lease.
		again := w.lease("a", first.Sequence, 8, 0, daily(100))
		if again.Sequence != lost.Sequence || again.Tokens != lost.Tokens-3 {
			w.t.Errorf("%v, then %v", lost, again)
		}
		w.settle("a", &meteringv1.Settlement{Sequence: again.Sequence, Spent: 2, Ended: true})
		w.settle("a", &meteringv1.Settlement{Sequence: again.Sequence, Spent: 2, Ended: true})
		if r := w.record(); r.Granted != 10 || r.Served != 10 || counter.Lent(r) != 0 {
			w.t.Errorf("%v", r)
		}
	})
}

// TestQuestionsThatComeLate: what a replica that stood still answers at last is older than what the edge did meanwhile.
func TestQuestionsThatComeLate(t *testing.T) {
	overBoth(t, Config{RecallWait: time.Millisecond}, func(w *world) {
		const quota = 20
		var total int64
		first := w.lease("a", 0, 0, 2, daily(quota))
		total += first.Tokens
		second := w.lease("a", first.Sequence, first.Tokens, 2, daily(quota))
		w.settle("a", &meteringv1.Settlement{Sequence: second.Sequence, Spent: 1})
		total++
		// Both were sent before, to the other replica.
		for range 3 {
			w.lease("a", 0, 0, 0, daily(quota))
			w.lease("a", first.Sequence, first.Tokens, 0, daily(quota))
			w.settle("a", &meteringv1.Settlement{Sequence: first.Sequence, Spent: first.Tokens, Ended: true})
		}
		if r := w.record(); r.Granted != 4 || r.Served != 3 || counter.Lent(r) != 1 {
			w.t.Errorf("%v", r)
		}
		total += second.Tokens - 1
		for res := w.lease("a", second.Sequence, second.Tokens, 0, daily(quota)); res.Tokens > 0 && total <= quota; res = w.lease("a", res.Sequence, res.Tokens, 0, daily(quota)) {
			total += res.Tokens
			w.lease("a", first.Sequence, first.Tokens, 0, daily(quota))
		}
		if r := w.record(); total != quota || r.Granted != quota || r.Served != quota {
			w.t.Errorf("%d of %d given: %v", total, quota, r)
		}
	})
}

// TestSettlementsThatAreRepeated count once, also those of requests that were served without a lease or in the window before.
func TestSettlementsThatAreRepeated(t *testing.T) {
	overBoth(t, Config{}, func(w *world) {
		served := func(unleased, before, want int64) {
			w.t.Helper()
			w.settle("a", &meteringv1.Settlement{Unleased: unleased, UnleasedBefore: &before})
			if r := w.record(); r.Served != want {
				w.t.Errorf("%d after %d: %d served, want %d", unleased, before, r.Served, want)
			}
		}
		served(3, 0, 3)
		served(3, 0, 3)
		served(5, 0, 5) // the edge did not hear that three are known
		served(2, 5, 7)
		served(2, 5, 7)
		served(0, 7, 7)
		a := w.lease("a", 0, 0, 5, daily(100))
		served(1, 7, 8)
		w.clock.pass(24 * time.Hour)
		for range 2 {
			w.settle("a", &meteringv1.Settlement{Sequence: a.Sequence, Spent: 4, Reported: 1, Ended: true})
		}
		served(1, 8, 4)
	})
}

// TestTwoReplicas count one quota for edges that ask either, and each asks back what an edge of the other holds.
func TestTwoReplicas(t *testing.T) {
	n := natstest.Start(t)
	w, other := start(t, n, Config{RecallWait: 10 * time.Second}, true), start(t, n, Config{RecallWait: 10 * time.Second}, true)
	const quota = 60
	var total atomic.Int64
	var wg sync.WaitGroup
	for i, at := range []*world{w, other, w, other} {
		wg.Go(func() {
			var sequence, spent int64
			for range 10 {
				res := at.lease(fmt.Sprint("edge", i), sequence, spent, 1, daily(quota))
				sequence, spent = res.Sequence, res.Tokens
				total.Add(res.Tokens)
			}
		})
	}
	wg.Wait()
	if r := w.record(); total.Load() != 40 || r.Granted != 40 {
		t.Errorf("%d given: %v", total.Load(), r)
	}
	a := w.lease("a", 0, 0, 0, daily(41))
	w.edgeThatReturns("a", a.Sequence, 0)
	if b := other.lease("b", 0, 0, 0, daily(41)); a.Tokens != 1 || b.Tokens != 1 {
		t.Errorf("a got %d, and b is refused what a does not use: %v", a.Tokens, b)
	}
}

// edgeThatReturns answers recalls of a holder: it has spent so many of the lease with a sequence.
func (w *world) edgeThatReturns(holder string, sequence, spent int64) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	stream, err := w.edge.Recalls(ctx, &meteringv1.RecallsRequest{Holder: holder})
	if err != nil {
		w.t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil { // the stream stands
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			r, err := stream.Recv()
			if err != nil {
				return
			}
			_, _ = w.edge.Settle(ctx, &meteringv1.SettleRequest{Holder: holder, Settlements: []*meteringv1.Settlement{{Counter: r.Counter, Quota: r.Quota, Sequence: sequence, Spent: spent, Ended: true}}})
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-done
	})
}

func TestRecallBeforeRefusal(t *testing.T) {
	overBoth(t, Config{RecallWait: 10 * time.Second}, func(w *world) {
		a := w.lease("a", 0, 0, 0, daily(1))
		if a.Tokens != 1 {
			w.t.Fatal(a)
		}
		w.edgeThatReturns("a", a.Sequence, 0)
		b := w.lease("b", 0, 0, 0, daily(1))
		if b.Tokens != 1 {
			w.t.Errorf("b is refused while a has one that it does not use: %v", b)
		}
		if r := w.record(); r.Granted != 1 || counter.Left(counter.LoanOf(r, "a")) != 0 {
			w.t.Errorf("%v", r)
		}
	})
}

// TestRecallOfAThrottle: tokens that another edge holds and does not use come back before an edge is refused, within one
// lease once, and never more than the bucket.
func TestRecallOfAThrottle(t *testing.T) {
	overBoth(t, Config{RecallWait: 10 * time.Second, ThrottleLease: time.Minute}, func(w *world) {
		c := &meteringv1.Counter{Account: key.Account, Region: key.Region, Api: "api", Stage: "s", Method: "GET /"}
		ask := func(holder string) *meteringv1.LeaseResponse {
			res, err := w.edge.Lease(context.Background(), &meteringv1.LeaseRequest{Holder: holder, Counter: c, Revision: 1, Limit: &meteringv1.LeaseRequest_Throttle{Throttle: &meteringv1.Throttle{Rate: 0.001, Burst: 2}}})
			if err != nil {
				w.t.Fatal(err)
			}
			return res
		}
		a, other := ask("a"), ask("other")
		if a.Tokens != 1 || other.Tokens != 1 {
			w.t.Fatal(a, other)
		}
		w.edgeThatReturns("a", a.Sequence, 0)
		w.edgeThatReturns("b", 0, 0) // who asks is not asked
		if b := ask("b"); b.Tokens != 1 {
			w.t.Errorf("b is refused while a has one that it does not use: %v", b)
		}
		if d := ask("d"); d.Tokens != 0 || d.RetryMillis == 0 {
			w.t.Errorf("%v", d)
		}
	})
}

func TestRefusedWhenNobodyAnswersTheRecall(t *testing.T) {
	overBoth(t, Config{RecallWait: 50 * time.Millisecond}, func(w *world) {
		w.lease("a", 0, 0, 0, daily(1))
		if b := w.lease("b", 0, 0, 0, daily(1)); b.Tokens != 0 || b.RetryMillis == 0 {
			w.t.Errorf("%v", b)
		}
	})
}

// TestPeriods: metering's clock opens windows; a lease ends with its window.
func TestPeriods(t *testing.T) {
	overBoth(t, Config{}, func(w *world) {
		w.clock.set(at("2026-03-04T23:59:50Z"))
		q := daily(3)
		q.Quota.Offset = 2
		first := w.lease("a", 0, 0, 0, q)
		if first.Tokens != 1 || first.DurationMillis != 10_000 {
			w.t.Errorf("%v: the offset leaves one, and the day ten seconds", first)
		}
		if b := w.lease("a", first.Sequence, 1, 0, q); b.Tokens != 0 {
			w.t.Error(b)
		}
		w.clock.pass(10 * time.Second)
		var total int64
		for res := w.lease("b", 0, 0, 0, q); res.Tokens > 0; res = w.lease("b", res.Sequence, res.Tokens, 0, q) {
			total += res.Tokens
		}
		if total != 3 {
			w.t.Errorf("%d on the second day, want 3", total)
		}
		u, err := w.admin.Usage(context.Background(), &meteringv1.UsageRequest{Account: key.Account, Region: key.Region, UsagePlan: "plan", ApiKeys: []string{"key", "other"},
			FirstDay: w.clock.Now().Unix()/86400 - 2, LastDay: w.clock.Now().Unix() / 86400, Quota: q.Quota, Revision: 1 << 60})
		if err != nil {
			w.t.Fatal(err)
		}
		got := ""
		for _, id := range []string{"key", "other"} {
			for _, d := range u.Keys[id].Days {
				got += fmt.Sprintf("%d,%d ", d.Used, d.Remaining)
			}
		}
		// b reports its last lease only with the next call.
		if want := "0,3 1,0 3,0 0,3 0,3 0,1 "; got != want {
			w.t.Errorf("%s, want %s", got, want)
		}
	})
}

// TestCrashForfeitsALease, once, and reports it.
func TestCrashForfeitsALease(t *testing.T) {
	w := start(t, natstest.Start(t), Config{RecallWait: time.Millisecond}, false)
	a := w.lease("a", 0, 0, 0, daily(10))
	w.settle("a", &meteringv1.Settlement{Sequence: a.Sequence, Spent: 1})
	w.clock.pass(time.Minute + grace + time.Second)
	var total int64
	for res := w.lease("b", 0, 0, 0, daily(10)); res.Tokens > 0; res = w.lease("b", res.Sequence, res.Tokens, 0, daily(10)) {
		total += res.Tokens
	}
	r := w.record()
	if total != 10-a.Tokens || r.Forfeited != a.Tokens-1 || r.Granted != 10 || !strings.Contains(w.log.String(), "an edge did not come back") {
		t.Errorf("b got %d, record %v, log %s", total, r, w.log.String())
	}
	t.Logf("a lease of %d with one spent: %d lost", a.Tokens, r.Forfeited)
}

func TestHighestRevisionWins(t *testing.T) {
	w := start(t, natstest.Start(t), Config{}, false)
	holders := 0
	ask := func(revision, limit int64) int64 {
		holders++
		res, err := w.edge.Lease(context.Background(), &meteringv1.LeaseRequest{Holder: fmt.Sprint(holders), Counter: key, Revision: revision, Limit: daily(limit), Want: 1})
		if err != nil {
			t.Fatal(err)
		}
		return res.Tokens
	}
	if ask(5, 1) != 1 || ask(4, 100) != 0 || ask(6, 3) != 1 || ask(5, 1) != 1 || ask(6, 3) != 0 {
		t.Errorf("%v", w.record())
	}
}

func TestExtend(t *testing.T) {
	overBoth(t, Config{RecallWait: 10 * time.Second}, func(w *world) {
		a := w.lease("a", 0, 0, 0, daily(10))
		w.edgeThatReturns("a", a.Sequence, 1)
		u, err := w.admin.Extend(context.Background(), &meteringv1.ExtendRequest{Account: key.Account, Region: key.Region, UsagePlan: "plan", ApiKey: "key", Quota: daily(10).Quota, Remaining: 4})
		if err != nil {
			w.t.Fatal(err)
		}
		if d := u.Keys["key"].Days[0]; d.Used != 1 || d.Remaining != 4 {
			w.t.Errorf("%v", d)
		}
		var total int64
		for res := w.lease("b", 0, 0, 0, daily(10)); res.Tokens > 0; res = w.lease("b", res.Sequence, res.Tokens, 0, daily(10)) {
			total += res.Tokens
		}
		if total != 4 {
			w.t.Errorf("%d, want the 4 that were set", total)
		}
	})
}

// TestThrottleOfACluster: whatever two edges do, both together pass no more than burst and rate.
func TestThrottleOfACluster(t *testing.T) {
	overBoth(t, Config{}, func(w *world) {
		c := &meteringv1.Counter{Account: key.Account, Region: key.Region, Api: "api", Stage: "s", Method: "GET /"}
		limit := &meteringv1.LeaseRequest_Throttle{Throttle: &meteringv1.Throttle{Rate: 10, Burst: 20}}
		spent, sequence := map[string]int64{}, map[string]int64{}
		drain := func() (n int64) {
			for _, holder := range []string{"a", "b", "a", "b"} {
				for {
					res, err := w.edge.Lease(context.Background(), &meteringv1.LeaseRequest{Holder: holder, Counter: c, Revision: 1, Limit: limit, Sequence: sequence[holder], Spent: spent[holder]})
					if err != nil {
						w.t.Fatal(err)
					}
					if res.Tokens == 0 {
						break
					}
					sequence[holder], spent[holder], n = res.Sequence, res.Tokens, n+res.Tokens
				}
			}
			return n
		}
		if n := drain(); n != 20 {
			w.t.Errorf("%d at once, want the burst of 20", n)
		}
		w.clock.pass(time.Second)
		if n := drain(); n != 10 {
			w.t.Errorf("%d after a second, want 10", n)
		}
		w.clock.pass(time.Hour)
		if n := drain(); n != 20 {
			w.t.Errorf("%d after an hour, want 20", n)
		}
	})
}

// TestKilledStore: NATS is killed while four edges take what they can; what was granted survives and never exceeds the quota.
func TestKilledStore(t *testing.T) {
	n := natstest.Start(t)
	w := start(t, n, Config{RecallWait: 10 * time.Millisecond}, false)
	const limit = 300
	var given atomic.Int64
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			var sequence, spent int64
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
				res, err := w.edge.Lease(ctx, &meteringv1.LeaseRequest{Holder: fmt.Sprint("edge", i), Counter: key, Revision: 1, Limit: daily(limit), Sequence: sequence, Spent: spent, Want: 1})
				cancel()
				if err == nil && res.Tokens > 0 {
					given.Add(res.Tokens)
					sequence, spent = res.Sequence, res.Tokens
				}
			}
		})
	}
	for range 3 {
		before := given.Load()
		for given.Load() < min(before+20, limit) {
			time.Sleep(time.Millisecond)
		}
		n.Kill()
		n.Restart(t)
	}
	deadline := time.Now().Add(20 * time.Second)
	for given.Load() < limit && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	close(stop)
	wg.Wait()
	r := w.record()
	if given.Load() > limit || r.Granted > limit || given.Load() > r.Granted {
		t.Errorf("%d given, %d granted, the quota is %d", given.Load(), r.Granted, limit)
	}
	t.Logf("three kills: %d given, %d granted of %d", given.Load(), r.Granted, limit)
}

func TestBadRequests(t *testing.T) {
	w := start(t, natstest.Start(t), Config{}, false)
	for _, req := range []*meteringv1.LeaseRequest{{}, {Holder: "a", Counter: key}, {Holder: "a", Limit: daily(1)}} {
		if _, err := w.edge.Lease(context.Background(), req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", req, err)
		}
	}
	if _, err := New(Config{}, Deps{}); err == nil {
		t.Error("no NATS is no error")
	}
}
