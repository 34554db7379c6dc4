// Package metering counts for all edges: it lends them tokens of throttles and requests of quotas, takes back what they do not
// use, and keeps the ledger of usage.
//
// It knows no API: the limits travel with each request for a lease, under the revision of the plan, and the highest revision
// wins. A lease is granted before it is given: what an edge gets is stored by compare-and-set first, so that no crash, of
// metering, of NATS or of an edge, lets a quota be exceeded. The surprise: metering keeps nothing in memory that counts, so
// every replica may answer for every counter. That edges ask one of them while it lives (rpc.WithKey) only spares races.
package metering

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/run"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering/internal/bucket"
	"github.com/limen-gateway/limen/services/metering/internal/counter"
	"github.com/limen-gateway/limen/services/metering/internal/quota"
	"github.com/limen-gateway/limen/services/metering/internal/usage"
)

// Config is what an operator sets. Every zero value is usable.
type Config struct {
	// QuotaLease is how long an edge may hold requests of a quota; 0 is a minute. ThrottleLease is the same for throttles; 0 is
	// half a second.
	QuotaLease, ThrottleLease time.Duration
	// MaxLease is the largest lease of a quota; 0 is 1000 requests. A crash of an edge loses at most one lease for each key.
	MaxLease int64
	// RecallWait is how long another edge's unused requests of a quota are waited for before an edge is refused; 0 is 300 ms.
	// Tokens of throttles are waited for a fifth of ThrottleLease, after which they come back by themselves.
	RecallWait time.Duration
	// Replicas is how many members of NATS keep each counter; 0 is one.
	Replicas int
}

// Deps is what metering calls.
type Deps struct {
	NATS *nats.Conn
	// Now is the clock that decides periods; nil is the machine's.
	Now func() time.Time
	Log *slog.Logger
	// Meter may be nil.
	Meter metric.Meter
}

// Service is metering of one process. It is safe for concurrent use.
type Service struct {
	meteringv1.UnimplementedMeteringServer
	config Config
	deps   Deps
	store  *counter.Store
	opened chan struct{}
	counts counts

	// mu guards what follows.
	mu       sync.Mutex
	holders  map[chan *meteringv1.Recall]string // open Recalls streams, each with its edge
	lent     map[string]time.Time               // quota counters with leases of this process → when the last of them ends
	recalled map[string]time.Time               // throttles whose tokens were asked back → when they may be again
}

// counts are the instruments; nil ones count nothing.
type counts struct{ leases, refused, forfeited, recalls metric.Int64Counter }

// grace is how long after its end a lease may still be settled: calls take time.
const grace = 2 * time.Second

// New makes a service that does nothing yet.
func New(c Config, d Deps) (*Service, error) {
	if d.NATS == nil {
		return nil, fmt.Errorf("metering: no NATS")
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.Log == nil {
		d.Log = slog.Default()
	}
	c.QuotaLease, c.ThrottleLease = orDefault(c.QuotaLease, time.Minute), orDefault(c.ThrottleLease, 500*time.Millisecond)
	c.MaxLease, c.RecallWait = orDefault(c.MaxLease, 1000), orDefault(c.RecallWait, 300*time.Millisecond)
	s := &Service{config: c, deps: d, store: counter.New(d.NATS, c.Replicas), opened: make(chan struct{}),
		holders: map[chan *meteringv1.Recall]string{}, lent: map[string]time.Time{}, recalled: map[string]time.Time{}}
	return s, s.instruments()
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

func (s *Service) instruments() error {
	if s.deps.Meter == nil {
		return nil
	}
	for _, i := range []struct {
		counter    *metric.Int64Counter
		name, text string
	}{
		{&s.counts.leases, "limen_metering_leases", "Leases given"},
		{&s.counts.refused, "limen_metering_refused", "Requests for a lease that were refused"},
		{&s.counts.forfeited, "limen_metering_forfeited", "Requests of quotas lost with the edges that held them"},
		{&s.counts.recalls, "limen_metering_recalls", "Leases asked back before another edge was refused"},
	} {
		var err error
		if *i.counter, err = s.deps.Meter.Int64Counter(i.name, metric.WithDescription(i.text)); err != nil {
			return fmt.Errorf("metering metrics: %w", err)
		}
		add(*i.counter, 0) // shown from the start, so that its first increase is one
	}
	return nil
}

func add(c metric.Int64Counter, n int64) {
	if c != nil {
		c.Add(context.Background(), n)
	}
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { meteringv1.RegisterMeteringServer(r, s) }

// Ready is closed when the counters are open.
func (s *Service) Ready() <-chan struct{} { return s.opened }

// Intervals of Run.
const (
	openRetry     = 500 * time.Millisecond
	sweepInterval = time.Second
	mendTimeout   = 2 * time.Second
)

// What metering calls its own on NATS.
const (
	QuotaBucket    = counter.QuotaBucket
	ThrottleBucket = counter.ThrottleBucket
	// RecallSubject carries recalls between replicas: an edge's stream may be at another one.
	RecallSubject = "limen.metering.recall"
)

// Run opens the counters, passes recalls on, and gives up the leases of dead edges, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	sub, err := s.deps.NATS.Subscribe(RecallSubject, func(m *nats.Msg) { s.passOn(m.Data) })
	if err != nil {
		return fmt.Errorf("metering: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		if err = s.store.Open(ctx); err == nil || ctx.Err() != nil {
			break
		}
		s.deps.Log.WarnContext(ctx, "counters are not open yet", "error", err)
		if !run.Pause(ctx, openRetry) {
			return nil
		}
	}
	if err == nil {
		close(s.opened)
	}
	for run.Pause(ctx, sweepInterval) {
		bounded, cancel := context.WithTimeout(ctx, mendTimeout)
		s.store.Mend(bounded)
		cancel()
		s.sweep(ctx)
	}
	return nil
}

func (s *Service) terms() quota.Terms {
	return quota.Terms{Now: s.deps.Now(), Duration: s.config.QuotaLease, Grace: grace, Max: s.config.MaxLease}
}

// Lease lends tokens of a counter.
func (s *Service) Lease(ctx context.Context, req *meteringv1.LeaseRequest) (*meteringv1.LeaseResponse, error) {
	isQuota := req.GetQuota() != nil
	if req.Holder == "" || req.Counter == nil || !isQuota && req.GetThrottle() == nil {
		return nil, status.Error(codes.InvalidArgument, "a lease needs a holder, a counter and a limit")
	}
	res, held, err := s.lend(ctx, req, isQuota)
	if err == nil && res.Tokens == 0 && held > 0 && s.mayRecall(req.Counter, isQuota) {
		err = s.recall(ctx, req, isQuota, held, &res)
	}
	if err != nil {
		return nil, unavailable(err)
	}
	if res.Tokens == 0 {
		add(s.counts.refused, 1)
	} else {
		add(s.counts.leases, 1)
	}
	return res, nil
}

// lend stores what it gives before it returns; held is what other edges have and may not need.
func (s *Service) lend(ctx context.Context, req *meteringv1.LeaseRequest, isQuota bool) (res *meteringv1.LeaseResponse, held int64, err error) {
	name := counter.Name(req.Counter, isQuota)
	var lost []quota.Lost
	err = s.store.Update(ctx, name, func(r *meteringv1.Record) error {
		if counter.Outdated(r, req.Holder, req.Sequence) {
			res, lost, held = &meteringv1.LeaseResponse{RetryMillis: 1}, nil, 0
			return counter.ErrUnchanged
		}
		if isQuota {
			res, lost = quota.Lend(r, req, s.terms())
		} else {
			res = bucket.Lend(r, req, s.deps.Now(), s.config.ThrottleLease, grace)
		}
		held = counter.LentToOthers(r, req.Holder)
		return nil
	})
	if err == nil {
		s.report(req.Counter, lost)
		if isQuota && res.Tokens > 0 {
			s.remember(name)
		}
	}
	return res, held, err
}

// mayRecall keeps edges that share a throttle at its limit from taking tokens from one another all the time, and from
// answering late each time: within one lease a throttle's tokens are asked back once.
func (s *Service) mayRecall(c *meteringv1.Counter, isQuota bool) bool {
	if isQuota {
		return true
	}
	name, now := counter.Name(c, false), s.deps.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Before(s.recalled[name]) {
		return false
	}
	s.recalled[name] = now.Add(s.config.ThrottleLease)
	return true
}

// recall asks the other edges, which hold so much, for what they do not use, and lends what comes back. Without anything
// the answer stays what it is.
func (s *Service) recall(ctx context.Context, req *meteringv1.LeaseRequest, isQuota bool, held int64, res **meteringv1.LeaseResponse) error {
	name := counter.Name(req.Counter, isQuota)
	return s.awaitReturns(ctx, &meteringv1.Recall{Counter: req.Counter, Quota: isQuota, Asker: req.Holder}, func() (bool, error) {
		r, err := s.store.Get(ctx, name)
		if err != nil || r == nil || counter.LentToOthers(r, req.Holder) >= held {
			return r == nil, err
		}
		// Lending changes the record too: it is tried only when somebody holds less.
		*res, held, err = s.lend(ctx, req, isQuota)
		return err != nil || (*res).GetTokens() > 0 || held == 0, err
	})
}

// awaitReturns recalls the leases of a counter and calls done after each change of its record, until it says so or nobody
// answers in time.
func (s *Service) awaitReturns(ctx context.Context, recall *meteringv1.Recall, done func() (bool, error)) error {
	wait := s.config.RecallWait
	if !recall.Quota {
		wait = min(wait, s.config.ThrottleLease/5)
	}
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	changes, stop, err := s.store.Watch(waiting, counter.Name(recall.Counter, recall.Quota))
	if err != nil {
		return err
	}
	defer stop()
	message, err := proto.Marshal(recall)
	if err == nil {
		err = s.deps.NATS.Publish(RecallSubject, message)
	}
	if err != nil {
		return err
	}
	add(s.counts.recalls, 1)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-waiting.Done():
			return ctx.Err()
		case e, open := <-changes:
			if !open {
				return ctx.Err()
			}
			if e == nil {
				continue // the watcher has caught up
			}
		}
	}
}

// Settle takes over what an edge spent, and what it gives back. One without settlements asks whether counting works.
func (s *Service) Settle(ctx context.Context, req *meteringv1.SettleRequest) (*meteringv1.SettleResponse, error) {
	if len(req.Settlements) == 0 {
		if _, err := s.store.Get(ctx, counter.Name(&meteringv1.Counter{}, false)); err != nil {
			return nil, unavailable(err)
		}
	}
	for _, one := range req.Settlements {
		var lost []quota.Lost
		err := s.store.Update(ctx, counter.Name(one.Counter, one.Quota), func(r *meteringv1.Record) error {
			switch {
			case one.Quota:
				lost = quota.Settle(r, req.Holder, one, s.terms())
			case r.Throttle == nil:
				return counter.ErrUnchanged
			default:
				bucket.Settle(r, req.Holder, one, s.deps.Now())
			}
			return nil
		})
		if err != nil {
			return nil, unavailable(err)
		}
		s.report(one.Counter, lost)
	}
	return &meteringv1.SettleResponse{}, nil
}

// Recalls streams what edges are asked to give back.
func (s *Service) Recalls(req *meteringv1.RecallsRequest, stream grpc.ServerStreamingServer[meteringv1.Recall]) error {
	c := make(chan *meteringv1.Recall, 64)
	s.mu.Lock()
	s.holders[c] = req.Holder
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.holders, c)
		s.mu.Unlock()
	}()
	// An empty one says that the stream stands: only from now on is the edge within reach.
	if err := stream.Send(&meteringv1.Recall{}); err != nil {
		return err
	}
	for {
		select {
		case <-stream.Context().Done():
			return status.FromContextError(stream.Context().Err()).Err()
		case one := <-c:
			if err := stream.Send(one); err != nil {
				return err
			}
		}
	}
}

// passOn hands a recall to the edges whose streams are here. One that does not keep up keeps its lease.
func (s *Service) passOn(message []byte) {
	recall := &meteringv1.Recall{}
	if err := proto.Unmarshal(message, recall); err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for stream, holder := range s.holders {
		if holder == recall.Asker && holder != "" {
			continue
		}
		select {
		case stream <- recall:
		default:
		}
	}
}

// Usage reads the ledger.
func (s *Service) Usage(ctx context.Context, req *meteringv1.UsageRequest) (*meteringv1.UsageResponse, error) {
	out := &meteringv1.UsageResponse{Keys: map[string]*meteringv1.KeyUsage{}}
	for _, key := range req.ApiKeys {
		r, err := s.store.Get(ctx, counter.Name(&meteringv1.Counter{Account: req.Account, Region: req.Region, UsagePlan: req.UsagePlan, ApiKey: key}, true))
		if err != nil {
			return nil, unavailable(err)
		}
		out.Keys[key] = usage.Days(r, req, s.deps.Now())
	}
	return out, nil
}

// Extend sets what a key has left in the present window, after the edges gave back what they hold: that counts as left.
func (s *Service) Extend(ctx context.Context, req *meteringv1.ExtendRequest) (*meteringv1.UsageResponse, error) {
	c := &meteringv1.Counter{Account: req.Account, Region: req.Region, UsagePlan: req.UsagePlan, ApiKey: req.ApiKey}
	name := counter.Name(c, true)
	err := s.awaitReturns(ctx, &meteringv1.Recall{Counter: c, Quota: true}, func() (bool, error) {
		r, err := s.store.Get(ctx, name)
		return r == nil || counter.Lent(r) == 0, err
	})
	if err != nil {
		return nil, unavailable(err)
	}
	now := s.deps.Now()
	err = s.store.Update(ctx, name, func(r *meteringv1.Record) error {
		quota.Adopt(r, c, req.Quota, req.Revision, now)
		quota.Extend(r, req.Remaining, now)
		return nil
	})
	if err != nil {
		return nil, unavailable(err)
	}
	today := now.UTC().Unix() / (24 * 60 * 60)
	return s.Usage(ctx, &meteringv1.UsageRequest{Account: req.Account, Region: req.Region, UsagePlan: req.UsagePlan, ApiKeys: []string{req.ApiKey},
		FirstDay: today, LastDay: today, Quota: req.Quota, Revision: req.Revision})
}

// remember notes a counter whose lease must have been settled some day.
func (s *Service) remember(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lent[name] = s.deps.Now().Add(s.config.QuotaLease + grace)
}

// sweep gives up leases that ended without a word from their edges.
func (s *Service) sweep(ctx context.Context) {
	now := s.deps.Now()
	s.mu.Lock()
	var due []string
	for name, end := range s.lent {
		if now.After(end) {
			due = append(due, name)
			delete(s.lent, name)
		}
	}
	maps.DeleteFunc(s.recalled, func(_ string, until time.Time) bool { return now.After(until) })
	s.mu.Unlock()
	for _, name := range due {
		var lost []quota.Lost
		var c *meteringv1.Counter
		err := s.store.Update(ctx, name, func(r *meteringv1.Record) error {
			if c, lost = r.Counter, quota.Forfeit(r, s.terms()); len(lost) == 0 {
				return counter.ErrUnchanged
			}
			return nil
		})
		if err != nil {
			s.remember(name)
			continue
		}
		s.report(c, lost)
	}
}

// report tells what dead edges took with them.
func (s *Service) report(c *meteringv1.Counter, lost []quota.Lost) {
	for _, l := range lost {
		add(s.counts.forfeited, l.Tokens)
		s.deps.Log.Warn("an edge did not come back; the rest of its lease is lost for this period", "holder", l.Holder, "requests", l.Tokens,
			"usage_plan", c.GetUsagePlan(), "api_key_id", c.GetApiKey(), "account", c.GetAccount())
	}
}

// unavailable is the code of a store that does not answer.
func unavailable(err error) error {
	if _, ok := status.FromError(err); ok {
		return err
	}
	if s := status.FromContextError(err); s.Code() != codes.Unknown {
		return s.Err()
	}
	return status.Error(codes.Unavailable, err.Error())
}
