package roles

import (
	"errors"
	"time"

	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering"
)

// MeteringConfig are the settings of metering.
type MeteringConfig struct {
	GRPCListen    string        `yaml:"grpc_listen" help:"address where edges and admin in other processes ask"`
	QuotaLease    time.Duration `yaml:"quota_lease" default:"1m" help:"how long an edge may hold requests of a quota that it has not served"`
	ThrottleLease time.Duration `yaml:"throttle_lease" default:"500ms" help:"how long an edge may hold tokens of a throttle"`
	MaxLease      int64         `yaml:"max_lease" default:"1000" help:"the most requests of a quota in one lease: what the crash of an edge can cost, for each key"`
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
	return errors.Join(problems...)
}

// meteringNode is the role metering, which is ready when its counters are. The service outlives the server, so that the last
// settlements find it.
type meteringNode struct {
	*grpcNode
	service *metering.Service
}

func newMetering(h *house) (run.Service, error) {
	c := h.config.Metering
	service, err := metering.New(
		metering.Config{QuotaLease: c.QuotaLease, ThrottleLease: c.ThrottleLease, MaxLease: c.MaxLease, Replicas: h.config.NATS.Replicas},
		metering.Deps{NATS: h.nats, Log: h.telemetry.Log, Meter: h.telemetry.Meters.Meter("limen/metering")})
	if err != nil {
		return nil, err
	}
	h.metering = h.grpcNode(service, "metering.grpc_listen", c.GRPCListen, 0)
	return &meteringNode{h.metering, service}, nil
}

func (n *meteringNode) Ready() <-chan struct{} { return n.service.Ready() }

// meteringClient asks the metering of this process, or one elsewhere; nil when there is none: edges then enforce throttles
// alone, and usage is not counted.
func (h *house) meteringClient(role rpc.Role) (meteringv1.MeteringClient, error) {
	conn, err := h.reach(h.metering, "metering_address", h.config.MeteringAddress, rpc.Metering, role)
	if conn == nil {
		return nil, err
	}
	return meteringv1.NewMeteringClient(conn), nil
}
