package rpc

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/status"
)

const (
	// balancerName is round robin over the healthy replicas with the fewest calls in flight that passes by the ones that do not
	// answer, and rendezvous hashing for calls that have a key.
	balancerName = "limen_round_robin"
	// retrial is how often a replica that did not answer is tried again.
	retrial = time.Second
)

// gRPC's registries may be written only while the program's packages are initialised.
var _ = register()

func register() bool {
	balancer.Register(roundRobin{})
	dns.SetMinResolutionInterval(time.Second)
	return true
}

// keyed is a context with the key of a call. It holds the key itself, where context.WithValue would take two allocations.
type keyed struct {
	context.Context
	key uint64
}

type keyedKey struct{}

func (k *keyed) Value(name any) any {
	if name == (keyedKey{}) {
		return k
	}
	return k.Context.Value(name)
}

// WithKey makes calls that Dial's connections make with ctx go to the replica that a key belongs to, the same for every
// caller that knows the same replicas. While that one is away or silent the key belongs to another, and comes back with it.
// The key is all of its parts.
func WithKey(ctx context.Context, parts ...string) context.Context {
	h := uint64(offset64)
	for _, part := range parts {
		h = (hash(h, part) ^ uint64(len(part))) * prime64
	}
	return &keyed{ctx, h}
}

// FNV-1a: every process must find the same replica.
const (
	offset64 = 14695981039346656037
	prime64  = 1099511628211
)

func hash(h uint64, text string) uint64 {
	for i := range len(text) {
		h = (h ^ uint64(text[i])) * prime64
	}
	return h
}

// mix spreads each bit of x over all of the result (the end of splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// roundRobin builds a balancer for each connection, so that what it learns of replicas is the connection's own.
type roundRobin struct{}

func (roundRobin) Name() string { return balancerName }

func (roundRobin) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	return base.NewBalancerBuilder(balancerName, &pickers{known: map[string]*standing{}}, base.Config{HealthCheck: true}).Build(cc, o)
}

// standing is what calls have shown of a replica; it outlives the replica's connections.
type standing struct {
	silent atomic.Int64 // until when it is passed by, in nanoseconds since start; 0 when its last call was answered
	calls  atomic.Int64 // in flight
}

// pickers makes a picker whenever the set of connected replicas changes.
type pickers struct {
	mu    sync.Mutex // guards known
	known map[string]*standing
}

type replica struct {
	conn balancer.SubConn
	hash uint64 // of its address
	*standing
	done func(balancer.DoneInfo)
}

// picker chooses among the connected replicas.
type picker struct {
	replicas []replica
	next     atomic.Uint64
}

func (p *pickers) Build(info base.PickerBuildInfo) balancer.Picker {
	if len(info.ReadySCs) == 0 {
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &picker{}
	known := map[string]*standing{}
	for conn, sc := range info.ReadySCs {
		addr := sc.Address.Addr
		known[addr] = p.known[addr]
		if known[addr] == nil {
			known[addr] = &standing{}
		}
		out.replicas = append(out.replicas, replica{conn, hash(offset64, addr), known[addr], known[addr].done})
	}
	// Replicas that are away for a moment keep what is known of them, within bounds.
	for addr, s := range p.known {
		if known[addr] == nil && len(known) < 2*len(info.ReadySCs)+8 {
			known[addr] = s
		}
	}
	p.known = known
	return out
}

var start = time.Now()

// Pick takes the replica whose turn it is: of the call's key, or among those that have the fewest calls in flight, so that
// one that stands still gets hardly more than it holds already, long before a deadline tells. One whose last call timed out
// is passed by for a second, then gets one call to prove itself; when all are silent the first is taken anyway.
func (p *picker) Pick(info balancer.PickInfo) (balancer.PickResult, error) {
	t, now := p.turns(info.Ctx), int64(time.Since(start))
	r, until := p.first(t, now)
	// The one that moves the mark is the one that tries.
	for r != nil && until != 0 && !r.silent.CompareAndSwap(until, now+int64(retrial)) {
		r, until = p.first(t, now)
	}
	if r == nil {
		r, _ = p.first(t, math.MaxInt64)
	}
	r.calls.Add(1)
	return balancer.PickResult{SubConn: r.conn, Done: r.done}, nil
}

// turns order the replicas for one call.
type turns struct {
	keyed bool
	at    uint64 // the key, or where the round begins
}

func (p *picker) turns(ctx context.Context) turns {
	if k, ok := ctx.Value(keyedKey{}).(*keyed); ok {
		return turns{true, k.key}
	}
	return turns{false, p.next.Add(1)}
}

// rank is higher for replicas whose turn comes earlier.
func (p *picker) rank(t turns, i int) uint64 {
	if t.keyed {
		return mix(t.at ^ p.replicas[i].hash)
	}
	n := uint64(len(p.replicas))
	return n - (uint64(i)+n-t.at%n)%n
}

// first is the replica whose turn comes first among those that are not silent at a moment, with the end of its last silence;
// nil when all are.
func (p *picker) first(t turns, now int64) (out *replica, until int64) {
	var highest uint64
	var fewest int64
	for i := range p.replicas {
		r := &p.replicas[i]
		silent := r.silent.Load()
		if silent != 0 && now < silent {
			continue
		}
		var calls int64
		if !t.keyed {
			calls = r.calls.Load()
		}
		if rank := p.rank(t, i); out == nil || calls < fewest || calls == fewest && rank > highest {
			out, until, highest, fewest = r, silent, rank, calls
		}
	}
	return out, until
}

func (s *standing) done(d balancer.DoneInfo) {
	s.calls.Add(-1)
	if status.Code(d.Err) == codes.DeadlineExceeded && !d.BytesReceived {
		s.silent.Store(int64(time.Since(start) + retrial))
		return
	}
	if d.BytesReceived {
		s.silent.Store(0)
	}
}
