package roles

import (
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/cache"
)

// CacheConfig are the settings of the response cache.
type CacheConfig struct {
	GRPCListen string `yaml:"grpc_listen" help:"address where edges in other processes ask"`
	Bytes      int64  `yaml:"bytes" default:"536870912" help:"how much memory the cached answers of all stages may take"`
}

func newCache(h *house) (run.Service, error) {
	service, err := cache.New(cache.Config{Bytes: h.config.Cache.Bytes}, cache.Deps{Meter: h.telemetry.Meters.Meter("limen/cache")})
	if err != nil {
		return nil, err
	}
	h.cache = h.grpcNode(service, "cache.grpc_listen", h.config.Cache.GRPCListen, 0)
	return h.cache, nil
}

// cacheClient asks the cache of this process, or one elsewhere; nil when there is none, and nothing is cached then.
func (h *house) cacheClient() (cachev1.CacheClient, error) {
	conn, err := h.reach(h.cache, "edge.cache_address", h.config.Edge.Cache, rpc.Cache, rpc.Edge)
	if conn == nil {
		return nil, err
	}
	return cachev1.NewCacheClient(conn), nil
}
