package roles

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/cache"
)

// CacheConfig are the settings of the response cache.
type CacheConfig struct {
	GRPCListen string `yaml:"grpc_listen" help:"address where edges in other processes ask; trusted networks only"`
	Bytes      int64  `yaml:"bytes" default:"536870912" help:"how much memory the cached answers of all stages may take"`
}

// cacheNode is the role cache: the service and the gRPC server that answers for it.
type cacheNode struct {
	house   *house
	service *cache.Service
	server  *rpc.Server
}

func newCache(h *house) (run.Service, error) {
	service, err := cache.New(cache.Config{Bytes: h.config.Cache.Bytes}, cache.Deps{Meter: h.telemetry.Meters.Meter("limen/cache")})
	if err != nil {
		return nil, err
	}
	n := &cacheNode{house: h, service: service,
		server: rpc.NewServer(rpc.Config{Tables: rpc.House(), Log: h.telemetry.Log, Traces: h.telemetry.Traces, TrustClaims: true})}
	service.Register(n.server)
	h.cache = n
	return n, nil
}

// Run answers until ctx ends.
func (n *cacheNode) Run(ctx context.Context) error {
	listeners, err := listenGRPC("cache.grpc_listen", n.house.config.Cache.GRPCListen)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.server.Serve(ctx, listeners...) })
	g.Go(func() error { return n.service.Run(ctx) })
	return g.Wait()
}

// cacheClient asks the cache of this process, or one elsewhere; nil when there is none, and nothing is cached then.
func (h *house) cacheClient() (cachev1.CacheClient, error) {
	var conn grpc.ClientConnInterface
	switch address := h.config.Edge.Cache; {
	case h.cache != nil:
		conn = h.cache.server.Local(rpc.Edge)
	case address != "":
		dialed, err := rpc.Dial(address, rpc.ClientConfig{Tables: rpc.House(), Claim: rpc.Edge})
		if err != nil {
			return nil, fmt.Errorf("edge.cache_address: %w", err)
		}
		conn = dialed
	default:
		return nil, nil
	}
	return cachev1.NewCacheClient(conn), nil
}
