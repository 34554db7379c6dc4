package pipeline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"

	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// asked is a cache that has one entry with a time of its own, and counts.
type asked struct {
	cachev1.CacheClient
	entry *cachev1.Entry
	left  time.Duration
	gets  int
}

func (a *asked) Get(context.Context, *cachev1.GetRequest, ...grpc.CallOption) (*cachev1.GetResponse, error) {
	a.gets++
	return &cachev1.GetResponse{Found: a.entry != nil, Entry: a.entry, RemainingMillis: a.left.Milliseconds()}, nil
}

func (a *asked) Put(_ context.Context, r *cachev1.PutRequest, _ ...grpc.CallOption) (*cachev1.PutResponse, error) {
	a.entry, a.left = r.Entry, time.Duration(r.TtlSeconds)*time.Second
	return &cachev1.PutResponse{Kept: true}, nil
}

// TestNear: an entry is near for a second, and no longer than it is kept; a refresh through this edge is seen at once, one
// through another edge within the second, and a flush at once from wherever.
func TestNear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, x := hit(0)
		far := &asked{entry: &cachev1.Entry{Status: 201}, left: time.Minute}
		backend := func(_ context.Context, x *exchange.Exchange) error { x.Response.Status = 203; return nil }
		x.Scope.Caching.Methods[exchange.CachedMethod{Path: "/pets", Verb: "GET"}].Authorize = false
		phase := cached(Method{Integration: x.Method.Integration}, &Services{Cache: newCache(far)}, []exchange.Phase{backend})
		want := func(what string, status, gets int) {
			t.Helper()
			again(x)
			if err := phase(t.Context(), x); err != nil || x.Response.Status != status || far.gets != gets {
				t.Errorf("%s: %d after %d questions, want %d after %d; %v", what, x.Response.Status, far.gets, status, gets, err)
			}
		}
		want("first", 201, 1)
		far.entry, far.left = &cachev1.Entry{Status: 202}, 300*time.Millisecond // another edge refreshes it
		time.Sleep(nearTime - 1)
		want("warm", 201, 1)
		time.Sleep(time.Nanosecond)
		want("after the second", 202, 2)
		time.Sleep(300 * time.Millisecond)
		far.entry = nil
		want("after its own time", 203, 3)
		far.entry = &cachev1.Entry{Status: 204}
		flushed := *x.Scope.Caching
		flushed.Scope = &cachev1.Scope{Account: "111111111111", Region: "us-east-1", ApiId: "a1b2c3d4e5", Stage: "prod", Epoch: 1}
		scope := *x.Scope
		scope.Caching = &flushed
		x.Scope = &scope
		want("flushed", 204, 4)
		x.Request.Headers = append(x.Request.Headers, exchange.Field{Name: "Cache-Control", Value: "max-age=0"})
		want("refreshed", 203, 4)
		x.Request.Headers = x.Request.Headers[:len(x.Request.Headers)-1]
		want("what was refreshed", 203, 4)
	})
}
