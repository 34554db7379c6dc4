package pipeline

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc"

	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// full is a cache that has every entry.
type full struct {
	cachev1.CacheClient
	entry *cachev1.Entry
	left  int64
}

func (f full) Get(context.Context, *cachev1.GetRequest, ...grpc.CallOption) (*cachev1.GetResponse, error) {
	return &cachev1.GetResponse{Found: true, Entry: f.entry, RemainingMillis: f.left}, nil
}

func newCache(client cachev1.CacheClient) *Cache {
	c, err := NewCache(client, 0, 0)
	if err != nil {
		panic(err)
	}
	return c
}

// hit makes a phase that finds its answer, of which so many milliseconds are left, and a request for it.
func hit(left int64) (exchange.Phase, *exchange.Exchange) {
	entry := &cachev1.Entry{Status: 200, Body: make([]byte, 1024), Traced: true, Headers: []*cachev1.Header{{Name: "Content-Type", Value: []byte("application/json")}}}
	key := &exchange.CacheKey{Namespace: "abc123", Verb: true, Parameters: []exchange.CacheParameter{{Place: exchange.PlaceQuery, Name: "q"}, {Place: exchange.PlaceHeader, Name: "X-Tenant"}}}
	in := &exchange.Integration{Type: exchange.HTTPProxy, Timeout: time.Second, CacheKey: key}
	x := exchange.New()
	x.Method = &exchange.Method{ResourcePath: "/pets", Integration: in}
	x.Request.Method, x.Request.RawQuery = "GET", "q=1&other=2"
	x.Request.Headers = append(x.Request.Headers, exchange.Field{Name: "x-tenant", Value: "t1"}, exchange.Field{Name: "Accept", Value: "*/*"})
	x.Scope = &exchange.Scope{Hash: "0123456789abcdef", Caching: &exchange.Caching{
		Scope:   &cachev1.Scope{Account: "111111111111", Region: "us-east-1", ApiId: "a1b2c3d4e5", Stage: "prod"},
		Methods: map[exchange.CachedMethod]*exchange.CacheSettings{{Path: "/pets", Verb: "GET"}: {TTL: time.Minute}},
	}}
	never := func(context.Context, *exchange.Exchange) error { panic("the backend is called") }
	return cached(Method{Integration: in}, &Services{Cache: newCache(full{entry: entry, left: left})}, []exchange.Phase{never}), x
}

// again forgets the answer.
func again(x *exchange.Exchange) {
	x.Response = exchange.Response{Headers: x.Response.Headers[:0]}
	x.Record.Reset()
}

// A hit pays for the question, its deadline and the key, whatever the answer is; one that is near pays nothing.
func TestHitAllocates(t *testing.T) {
	for name, tt := range map[string]struct {
		left   int64
		budget float64
	}{"far": {0, 8}, "near": {1 << 40, 0}} {
		t.Run(name, func(t *testing.T) {
			phase, x := hit(tt.left)
			if n := testing.AllocsPerRun(100, func() {
				again(x)
				if err := phase(context.Background(), x); err != nil || x.Response.Status != 200 || x.Cached != exchange.CacheHit {
					t.Fatal(err, x.Response.Status)
				}
			}); n > tt.budget {
				t.Errorf("%v allocations, at most %v", n, tt.budget)
			}
		})
	}
}

func BenchmarkHit(b *testing.B) {
	for name, left := range map[string]int64{"far": 0, "near": 1 << 40} {
		b.Run(name, func(b *testing.B) {
			phase, x := hit(left)
			b.ReportAllocs()
			for b.Loop() {
				again(x)
				if err := phase(context.Background(), x); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkNotCached is what methods pay that a stage does not cache.
func BenchmarkNotCached(b *testing.B) {
	_, x := hit(0)
	x.Scope = &exchange.Scope{}
	phase := cached(Method{Integration: x.Method.Integration}, &Services{Cache: newCache(full{})}, nil)
	b.ReportAllocs()
	for b.Loop() {
		_ = phase(context.Background(), x)
	}
}

// TestFreshAnswersAreForTheOwner: who signs as the account of the API may ask for one.
func TestFreshAnswersAreForTheOwner(t *testing.T) {
	for caller, want := range map[string]bool{"1": true, "2": false, "": false} {
		x := exchange.New()
		x.Scope, x.Caller = &exchange.Scope{Account: "1"}, exchange.Caller{Account: caller}
		x.Request.Headers = append(x.Request.Headers, exchange.Field{Name: "Cache-Control", Value: "max-age=0"})
		refresh, _, err := cacheControl(x, &exchange.CacheSettings{Authorize: true, Unauthorized: exchange.FailWith403})
		if refresh != want || (err == nil) != want {
			t.Errorf("account %q: %v, %v", caller, refresh, err)
		}
		x.Release()
	}
}

func TestWantsFresh(t *testing.T) {
	tests := []struct {
		name   string
		header exchange.Field
		want   bool
	}{
		{"alone", exchange.Field{Name: "Cache-Control", Value: "max-age=0"}, true},
		{"in a list", exchange.Field{Name: "cache-control", Value: "no-store ,\tMax-Age=0 , x"}, true},
		{"no-cache", exchange.Field{Name: "Cache-Control", Value: "no-cache"}, false},
		{"another age", exchange.Field{Name: "Cache-Control", Value: "max-age=01, max-age=0s"}, false},
		{"another header", exchange.Field{Name: "Cache-Contro1", Value: "max-age=0"}, false},
		{"empty", exchange.Field{Name: "Cache-Control", Value: ""}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := exchange.New()
			defer x.Release()
			x.Request.Headers = append(x.Request.Headers, tt.header)
			if got := wantsFresh(x); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
