package roles

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering"
)

// MeteringConfig are the settings of metering.
type MeteringConfig struct {
	GRPCListen    string        `yaml:"grpc_listen" help:"address where edges and admin in other processes ask; trusted networks only"`
	QuotaLease    time.Duration `yaml:"quota_lease" default:"1m" help:"how long an edge may hold requests of a quota that it has not served"`
	ThrottleLease time.Duration `yaml:"throttle_lease" default:"500ms" help:"how long an edge may hold tokens of a throttle"`
	MaxLease      int64         `yaml:"max_lease" default:"1000" help:"the most requests of a quota in one lease: what the crash of an edge can cost, for each key"`
	Replicas      int           `yaml:"replicas" default:"1" help:"how many NATS servers keep each quota"`
}

// Check tells which setting breaks which rule.
func (c *MeteringConfig) Check() error {
	var problems []error
	if c.QuotaLease < time.Second {
		problems = append(problems, settings.Refuse("quota_lease", "must be at least 1s, not %s", c.QuotaLease))
	}
	if c.ThrottleLease < 10*time.Millisecond {
		problems = append(problems, settings.Refuse("throttle_lease", "must be at least 10ms, not %s", c.ThrottleLease))
	}
	if c.MaxLease < 1 {
		problems = append(problems, settings.Refuse("max_lease", "must be at least 1, not %d", c.MaxLease))
	}
	if c.Replicas < 1 {
		problems = append(problems, settings.Refuse("replicas", "must be at least 1, not %d", c.Replicas))
	}
	return errors.Join(problems...)
}

// meteringNode is the role metering: the service and the gRPC server that answers for it.
type meteringNode struct {
	house   *house
	service *metering.Service
	server  *rpc.Server
}

func newMetering(h *house) (run.Service, error) {
	c := h.config.Metering
	service, err := metering.New(
		metering.Config{QuotaLease: c.QuotaLease, ThrottleLease: c.ThrottleLease, MaxLease: c.MaxLease, Replicas: c.Replicas},
		metering.Deps{NATS: h.nats, Log: h.telemetry.Log, Meter: h.telemetry.Meters.Meter("limen/metering")})
	if err != nil {
		return nil, err
	}
	n := &meteringNode{house: h, service: service, server: rpc.NewServer(rpc.Config{Tables: rpc.House(), Log: h.telemetry.Log, Traces: h.telemetry.Traces, TrustClaims: true})}
	service.Register(n.server)
	h.metering = n
	return n, nil
}

func (n *meteringNode) Ready() <-chan struct{} { return n.service.Ready() }

// Run answers until ctx ends. The service outlives the server, so that the last settlements find it.
func (n *meteringNode) Run(ctx context.Context) error {
	listeners, err := listenGRPC("metering.grpc_listen", n.house.config.Metering.GRPCListen)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.server.Serve(ctx, listeners...) })
	g.Go(func() error { return n.service.Run(ctx) })
	return g.Wait()
}

// meteringClient asks the metering of this process, or one elsewhere; nil when there is none: edges then enforce throttles
// alone, and usage is not counted.
func (h *house) meteringClient(role rpc.Role) (meteringv1.MeteringClient, error) {
	if h.metering != nil {
		return meteringv1.NewMeteringClient(h.metering.server.Local(role)), nil
	}
	if h.config.MeteringAddress == "" {
		return nil, nil
	}
	conn, err := rpc.Dial(h.config.MeteringAddress, rpc.ClientConfig{Tables: rpc.House(), Claim: role})
	if err != nil {
		return nil, fmt.Errorf("metering_address: %w", err)
	}
	return meteringv1.NewMeteringClient(conn), nil
}
