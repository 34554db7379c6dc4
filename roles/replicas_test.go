package roles

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/limen-gateway/limen/platform/natstest"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rpc"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/cache"
	"github.com/limen-gateway/limen/services/edge"
)

// dialAll makes an edge's connection to replicas, as a name does that resolves to all of their addresses.
func dialAll(t testing.TB, addresses ...string) grpc.ClientConnInterface {
	t.Helper()
	names := manual.NewBuilderWithScheme("test")
	var state resolver.State
	for _, a := range addresses {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: a})
	}
	names.InitialState(state)
	conn, err := rpc.Dial("test:///replicas", rpc.ClientConfig{Tables: rpc.House(), Claim: rpc.Edge, Options: []grpc.DialOption{grpc.WithResolvers(names)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// meteredReplicas are two replicas of metering on one NATS; each stands behind a proxy that takes it away.
func meteredReplicas(t *testing.T) (*meteredHouse, []*proxytest.Proxy) {
	t.Helper()
	h := &meteredHouse{t: t, nats: natstest.Start(t), tcp: true}
	var proxies []*proxytest.Proxy
	for i := range 2 {
		h.start()
		address := h.addresses[i]
		proxies = append(proxies, proxytest.New(t, func() (string, string) { return "tcp", address }))
		h.addresses[i] = proxies[i].Addr()
	}
	return h, proxies
}

// used is what the ledger has of the key.
func (h *meteredHouse) used() (used, remaining int64) {
	h.t.Helper()
	day := time.Now().Unix() / 86400
	u, err := meteringv1.NewMeteringClient(h.server.Local(rpc.Admin)).Usage(context.Background(), &meteringv1.UsageRequest{
		Account: "123456789012", Region: "us-east-1", UsagePlan: "plan01", ApiKeys: []string{"key1"}, FirstDay: day, LastDay: day})
	if err != nil {
		h.t.Fatal(err)
	}
	d := u.Keys["key1"].Days[0]
	return d.Used, d.Remaining
}

// TestQuotaOverReplicas: a quota of 100 through two edges, nearly all through one, while each replica of metering in turn
// stands still and is cut off: exactly 100 pass, and the ledger knows them.
func TestQuotaOverReplicas(t *testing.T) {
	h, proxies := meteredReplicas(t)
	// An edge that takes metering to be away denies: what is counted below was all granted.
	config := edge.Config{MeteringTimeout: 20 * time.Second, DenyQuota: true}
	a, b := h.edge(config, quotaOf(100)), h.edge(config, quotaOf(100))
	var fromA, fromB int64
	load := func() {
		fromA += a.flood(13)
		fromB += b.flood(1)
	}
	load()
	for _, p := range proxies {
		p.Pause()
		load()
		p.Resume() // what it held back arrives now
		load()
		p.Cut()
		load()
		p.Restore(t)
	}
	for end := time.Now().Add(time.Minute); fromA+fromB < 100 && time.Now().Before(end); {
		load()
	}
	if more := a.flood(20) + b.flood(20); fromA+fromB != 100 || more != 0 {
		t.Errorf("%d and %d passed, and %d later: want 100 in all", fromA, fromB, more)
	}
	used, remaining := h.used()
	for end := time.Now().Add(time.Minute); used < 100 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		used, remaining = h.used()
	}
	if used != 100 || remaining != 0 {
		t.Errorf("the ledger says %d used and %d left", used, remaining)
	}
	t.Logf("%d + %d of 100, with %d and %d calls for leases", fromA, fromB, a.metering.leases.Load(), b.metering.leases.Load())
}

// TestThrottleOverReplicas: edges that share a throttle pass no more than its burst while a replica stands still, and what one
// of them holds the other one gets.
func TestThrottleOverReplicas(t *testing.T) {
	h, proxies := meteredReplicas(t)
	edges := []*meteredEdge{h.edge(edge.Config{MeteringTimeout: 20 * time.Second}, quotaOf(1)), h.edge(edge.Config{MeteringTimeout: 20 * time.Second}, quotaOf(1))}
	passed := 0
	round := func() {
		for _, e := range edges {
			if e.get("/prod/open", "").status == 200 {
				passed++
			}
		}
	}
	round()
	proxies[0].Pause()
	round()
	proxies[0].Resume()
	for end := time.Now().Add(time.Minute); passed < 5 && time.Now().Before(end); {
		round()
	}
	for range 5 {
		round()
	}
	if passed != 5 {
		t.Errorf("%d passed a burst of 5", passed)
	}
}

// cacheNode counts what it keeps.
type cacheNode struct {
	*cache.Service
	puts  atomic.Int64
	proxy *proxytest.Proxy
}

func (n *cacheNode) Put(ctx context.Context, r *cachev1.PutRequest) (*cachev1.PutResponse, error) {
	n.puts.Add(1)
	return n.Service.Put(ctx, r)
}

func newCacheNode(t *testing.T) *cacheNode {
	t.Helper()
	service, err := cache.New(cache.Config{}, cache.Deps{})
	if err != nil {
		t.Fatal(err)
	}
	n, server, l := &cacheNode{Service: service}, rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true}), listen(t)
	cachev1.RegisterCacheServer(server, n)
	runs(t, func(ctx context.Context) error { return server.Serve(ctx, l) })
	n.proxy = proxytest.New(t, func() (string, string) { return "tcp", l.Addr().String() })
	return n
}

// TestCacheOverNodes: two edges and two cache nodes. What one edge keeps the other one finds, whichever node has it; a node
// that is cut off or stands still is a miss, never an error, and its keys are kept by the other.
func TestCacheOverNodes(t *testing.T) {
	nodes := []*cacheNode{newCacheNode(t), newCacheNode(t)}
	edges := []*cachedWorld{{t: t}, {t: t}}
	for _, w := range edges {
		w.start(dialAll(t, nodes[0].proxy.Addr(), nodes[1].proxy.Addr()), edge.Config{NearCacheBytes: 1, CacheTimeout: 3 * time.Second})
	}
	// One API, with one backend.
	edges[1].content, edges[1].stage = edges[0].content, edges[0].stage
	edges[1].publish(func(*snapshotv1.Stage) {})
	// round asks both edges for all keys at once, and tells how often the backend was called.
	const keys = 20
	round := func() (called int64, differ int) {
		before := edges[0].calls.Load()
		var wg sync.WaitGroup
		var unlike atomic.Int64
		for key := range keys {
			wg.Go(func() {
				var bodies []string
				for _, w := range edges {
					a := w.call("GET", fmt.Sprint("/pets?q=", key))
					if a.status != 200 {
						t.Errorf("key %d: %d %s", key, a.status, a.body)
					}
					bodies = append(bodies, a.body)
				}
				if bodies[0] != bodies[1] {
					unlike.Add(1)
				}
			})
		}
		wg.Wait()
		return edges[0].calls.Load() - before, int(unlike.Load())
	}
	settled := func(when string) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; {
			called, differ := round()
			if called == 0 && differ == 0 {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: the backend is still called %d times for %d keys, %d of which differ", when, called, keys, differ)
			}
		}
	}
	for end := time.Now().Add(time.Minute); nodes[0].puts.Load() == 0 || nodes[1].puts.Load() == 0; round() {
		if time.Now().After(end) {
			t.Fatalf("%d and %d answers are kept by the nodes", nodes[0].puts.Load(), nodes[1].puts.Load())
		}
	}
	settled("at first")
	nodes[0].proxy.Cut()
	if called, _ := round(); called == 0 || called == 2*keys {
		t.Errorf("the backend was called %d times for the keys of one node of two", called)
	}
	settled("without a node")
	nodes[0].proxy.Restore(t)
	settled("the node is back")
	before := nodes[0].puts.Load()
	nodes[1].proxy.Pause()
	settled("the other node stands still")
	if nodes[0].puts.Load() == before {
		t.Error("the node that is left keeps nothing of the other's")
	}
	nodes[1].proxy.Resume()
	settled("it goes on")
}
