// Package cache keeps the answers of integrations for edges: the cache cluster of REST stages, one for all stages.
//
// It does not decide what is cached, under which key or for whom; edges do. It follows nothing and loses everything when
// it ends, and edges take its silence for a miss. The surprise: nothing deletes an entry. A flush gives a stage a new
// epoch, which is part of the scope, and what was kept before runs out by itself.
package cache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/cache/internal/store"
)

// maxTTL is the longest time an entry is kept (spec/rest.md 9).
const maxTTL = time.Hour

// Config is what an operator sets. Every zero value is usable.
type Config struct {
	// Bytes bounds the memory of all entries; 0 is 512 MiB.
	Bytes int64
}

// Deps is what the cache needs of others.
type Deps struct {
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Meter may be nil.
	Meter metric.Meter
}

// Service keeps entries. It is safe for concurrent use.
type Service struct {
	cachev1.UnimplementedCacheServer
	store *store.Store
}

// New makes an empty cache.
func New(c Config, d Deps) (*Service, error) {
	if c.Bytes <= 0 {
		c.Bytes = store.DefaultBytes
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	s, err := store.New(uint64(c.Bytes), d.Now)
	if err != nil {
		return nil, err
	}
	return &Service{store: s}, observe(d.Meter, s)
}

func observe(m metric.Meter, s *store.Store) error {
	if m == nil {
		return nil
	}
	_, err := m.Int64ObservableGauge("limen_cache_bytes", metric.WithDescription("Memory that the entries of the response cache take"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(s.Weight()))
			return nil
		}))
	if err != nil {
		return fmt.Errorf("cache metrics: %w", err)
	}
	return nil
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { cachev1.RegisterCacheServer(r, s) }

// Run gives the memory of entries that ran out back until ctx ends; calls are answered on their callers' goroutines.
func (s *Service) Run(ctx context.Context) error { return s.store.Run(ctx) }

// Get finds an entry.
func (s *Service) Get(_ context.Context, req *cachev1.GetRequest) (*cachev1.GetResponse, error) {
	if err := check(req.GetScope(), req.GetKey()); err != nil {
		return nil, err
	}
	e, left := s.store.Get(store.KeyOf(req.Scope, req.Key))
	return &cachev1.GetResponse{Found: e != nil, Entry: e, RemainingMillis: left.Milliseconds()}, nil
}

// Put keeps an entry of at most 1,048,576 bytes for its time, an hour at most.
func (s *Service) Put(_ context.Context, req *cachev1.PutRequest) (*cachev1.PutResponse, error) {
	if err := check(req.GetScope(), req.GetKey()); err != nil {
		return nil, err
	}
	if req.Entry == nil {
		return nil, status.Error(codes.InvalidArgument, "entry is missing")
	}
	if req.TtlSeconds <= 0 || store.Size(req.Entry) > store.MaxEntry {
		return &cachev1.PutResponse{}, nil
	}
	ttl := maxTTL
	if seconds := req.TtlSeconds; seconds < int64(maxTTL/time.Second) {
		ttl = time.Duration(seconds) * time.Second
	}
	s.store.Put(store.KeyOf(req.Scope, req.Key), req.Entry, ttl)
	return &cachev1.PutResponse{Kept: true}, nil
}

// check refuses what would let entries of different stages or requests meet.
func check(s *cachev1.Scope, key []byte) error {
	switch {
	case s.GetAccount() == "" || s.GetRegion() == "" || s.GetApiId() == "" || s.GetStage() == "":
		return status.Error(codes.InvalidArgument, "scope must name account, region, API and stage")
	case len(key) != sha256.Size:
		return status.Error(codes.InvalidArgument, "key must be a SHA-256")
	}
	return nil
}
