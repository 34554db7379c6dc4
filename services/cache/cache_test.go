package cache_test

import (
	"context"
	"crypto/sha256"
	"net"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/rpc"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/cache"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a service reached in the process or over TCP.
type fixture struct {
	client cachev1.CacheClient
	now    atomic.Int64 // seconds
}

func each(t *testing.T, c cache.Config, test func(*testing.T, *fixture)) {
	for _, transport := range []string{"local", "tcp"} {
		t.Run(transport, func(t *testing.T) { test(t, start(t, c, transport)) })
	}
}

func start(t *testing.T, c cache.Config, transport string) *fixture {
	t.Helper()
	f := &fixture{}
	f.now.Store(1_000_000)
	service, err := cache.New(c, cache.Deps{Now: func() time.Time { return time.Unix(f.now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true})
	service.Register(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- server.Serve(ctx, l) }()
	go func() { done <- service.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
	var conn grpc.ClientConnInterface = server.Local(rpc.Edge)
	if transport == "tcp" {
		dialed, err := rpc.Dial(l.Addr().String(), rpc.ClientConfig{Tables: rpc.House(), Claim: rpc.Edge})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dialed.Close() })
		conn = dialed
	}
	f.client = cachev1.NewCacheClient(conn)
	return f
}

func scope(change func(*cachev1.Scope)) *cachev1.Scope {
	s := &cachev1.Scope{Account: "111111111111", Region: "us-east-1", ApiId: "a1b2c3d4e5", Stage: "prod"}
	if change != nil {
		change(s)
	}
	return s
}

func key(s string) []byte {
	sum := sha256.Sum256([]byte(s))
	return sum[:]
}

func entry(body []byte) *cachev1.Entry {
	return &cachev1.Entry{Status: 404, Headers: []*cachev1.Header{{Name: "A", Value: []byte("caf\xe9")}, {Name: "a", Value: []byte("2")}}, Body: body, Traced: true}
}

func (f *fixture) put(t *testing.T, s *cachev1.Scope, k string, e *cachev1.Entry, ttl int64) bool {
	t.Helper()
	res, err := f.client.Put(t.Context(), &cachev1.PutRequest{Scope: s, Key: key(k), Entry: e, TtlSeconds: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return res.Kept
}

func (f *fixture) get(t *testing.T, s *cachev1.Scope, k string) *cachev1.Entry {
	t.Helper()
	res, err := f.client.Get(t.Context(), &cachev1.GetRequest{Scope: s, Key: key(k)})
	if err != nil {
		t.Fatal(err)
	}
	if res.Found != (res.Entry != nil) {
		t.Errorf("found %v with entry %v", res.Found, res.Entry)
	}
	return res.Entry
}

func TestAnEntryComesBackAsItWas(t *testing.T) {
	each(t, cache.Config{}, func(t *testing.T, f *fixture) {
		if got := f.get(t, scope(nil), "k"); got != nil {
			t.Errorf("an empty cache has %v", got)
		}
		want := entry([]byte("body"))
		if !f.put(t, scope(nil), "k", want, 60) {
			t.Fatal("not kept")
		}
		got := f.get(t, scope(nil), "k")
		if !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		got.Body[0] = 'X' // what a caller does with its answer is its own affair
		if again := f.get(t, scope(nil), "k"); !proto.Equal(again, want) {
			t.Errorf("got %v, want %v", again, want)
		}
		f.put(t, scope(nil), "k", entry([]byte("newer")), 60)
		if got := f.get(t, scope(nil), "k"); string(got.GetBody()) != "newer" {
			t.Errorf("got %v", got)
		}
	})
}

func TestScopesDoNotMeet(t *testing.T) {
	changes := map[string]func(*cachev1.Scope){
		"account": func(s *cachev1.Scope) { s.Account = "222222222222" },
		"region":  func(s *cachev1.Scope) { s.Region = "eu-west-1" },
		"api":     func(s *cachev1.Scope) { s.ApiId = "z" },
		"stage":   func(s *cachev1.Scope) { s.Stage = "dev" },
		"flushed": func(s *cachev1.Scope) { s.Epoch++ },
		"run on":  func(s *cachev1.Scope) { s.ApiId, s.Stage = s.ApiId+"p", "rod" },
	}
	each(t, cache.Config{}, func(t *testing.T, f *fixture) {
		f.put(t, scope(nil), "k", entry(nil), 60)
		for name, change := range changes {
			if got := f.get(t, scope(change), "k"); got != nil {
				t.Errorf("%s: found %v", name, got)
			}
		}
		if got := f.get(t, scope(nil), "other"); got != nil {
			t.Errorf("another key: found %v", got)
		}
	})
}

func TestEntriesRunOut(t *testing.T) {
	each(t, cache.Config{}, func(t *testing.T, f *fixture) {
		f.put(t, scope(nil), "short", entry(nil), 10)
		f.put(t, scope(nil), "long", entry(nil), 1<<40) // an hour at most
		if f.put(t, scope(nil), "none", entry(nil), 0) || f.get(t, scope(nil), "none") != nil {
			t.Error("an entry without time was kept")
		}
		steps := []struct {
			after       int64
			short, long bool
		}{{9, true, true}, {2, false, true}, {3580, false, true}, {10, false, false}}
		for _, s := range steps {
			f.now.Add(s.after)
			if got := f.get(t, scope(nil), "short") != nil; got != s.short {
				t.Errorf("at %d: short there %v", f.now.Load(), got)
			}
			if got := f.get(t, scope(nil), "long") != nil; got != s.long {
				t.Errorf("at %d: long there %v", f.now.Load(), got)
			}
		}
		f.put(t, scope(nil), "short", entry(nil), 10)
		if f.get(t, scope(nil), "short") == nil {
			t.Error("an entry that ran out can be kept anew")
		}
	})
}

func TestLargeEntriesAreNotKept(t *testing.T) {
	const most = 1_048_576
	each(t, cache.Config{}, func(t *testing.T, f *fixture) {
		headers := len("Acaf\xe9a2")
		if !f.put(t, scope(nil), "fits", entry(make([]byte, most-headers)), 60) || f.get(t, scope(nil), "fits") == nil {
			t.Error("the largest entry is not kept")
		}
		if f.put(t, scope(nil), "too large", entry(make([]byte, most-headers+1)), 60) || f.get(t, scope(nil), "too large") != nil {
			t.Error("one byte more is kept")
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	const limit, size, n = 100 << 10, 10 << 10, 100
	each(t, cache.Config{Bytes: limit}, func(t *testing.T, f *fixture) {
		for i := range n {
			f.put(t, scope(nil), strconv.Itoa(i), entry(make([]byte, size)), 60)
		}
		// Eviction runs beside the writes.
		for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			there := 0
			for i := range n {
				if f.get(t, scope(nil), strconv.Itoa(i)) != nil {
					there++
				}
			}
			if there > 0 && there <= limit/size {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d entries of %d bytes in a cache of %d", there, size, limit)
			}
		}
	})
}

func TestMalformedQuestionsAreRefused(t *testing.T) {
	each(t, cache.Config{}, func(t *testing.T, f *fixture) {
		_, err := f.client.Get(t.Context(), &cachev1.GetRequest{Scope: scope(nil), Key: []byte("short")})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("short key: %v", err)
		}
		_, err = f.client.Get(t.Context(), &cachev1.GetRequest{Scope: scope(func(s *cachev1.Scope) { s.Account = "" }), Key: key("k")})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("no account: %v", err)
		}
		_, err = f.client.Put(t.Context(), &cachev1.PutRequest{Scope: scope(nil), Key: key("k"), TtlSeconds: 1})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("no entry: %v", err)
		}
		_, err = f.client.Put(t.Context(), &cachev1.PutRequest{Key: key("k"), Entry: entry(nil), TtlSeconds: 1})
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("no scope: %v", err)
		}
	})
}

func BenchmarkKept(b *testing.B) {
	service, err := cache.New(cache.Config{}, cache.Deps{})
	if err != nil {
		b.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House()})
	service.Register(server)
	client := cachev1.NewCacheClient(server.Local(rpc.Edge))
	if _, err := client.Put(b.Context(), &cachev1.PutRequest{Scope: scope(nil), Key: key("k"), Entry: entry(make([]byte, 1024)), TtlSeconds: 60}); err != nil {
		b.Fatal(err)
	}
	req := &cachev1.GetRequest{Scope: scope(nil), Key: key("k")}
	b.ReportAllocs()
	for b.Loop() {
		if res, err := client.Get(b.Context(), req); err != nil || !res.Found {
			b.Fatal(res, err)
		}
	}
}
