package roles

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
)

// EtcdConfig are the settings of the embedded etcd. The zero value keeps a single member in the data folder that only
// this process can reach.
type EtcdConfig struct {
	Listen     []string      `yaml:"listen" help:"URLs where other processes reach etcd, such as http://0.0.0.0:2379; none when empty"`
	Endpoints  []string      `yaml:"endpoints" help:"URLs of an etcd elsewhere, for processes that do not run the role etcd"`
	QuotaBytes int64         `yaml:"quota_bytes" default:"2147483648" help:"how big the database may grow before etcd refuses writes"`
	Keep       time.Duration `yaml:"keep" default:"1h" help:"how long old revisions are kept for followers that come back"`
}

// Check tells which setting breaks which rule.
func (c *EtcdConfig) Check() error {
	var problems []error
	if c.QuotaBytes < 16<<20 {
		problems = append(problems, settings.Refuse("quota_bytes", "must be at least 16 MiB, not %d", c.QuotaBytes))
	}
	if c.Keep < time.Minute {
		problems = append(problems, settings.Refuse("keep", "must be at least 1m, not %s", c.Keep))
	}
	for _, l := range c.Listen {
		if u, err := url.Parse(l); err != nil || u.Scheme != "http" || u.Port() == "" {
			problems = append(problems, settings.Refuse("listen", "must be URLs such as http://0.0.0.0:2379, not %q", l))
		}
	}
	return errors.Join(problems...)
}

const (
	// A single member elects itself; short ticks make that take a tenth of a second instead of one.
	etcdTick     = 10 // ms
	etcdElection = 100
)

// etcdServer is the role etcd: a single durable member.
type etcdServer struct {
	house    *house
	ready    chan struct{}
	stopping atomic.Bool
}

func newEtcd(h *house) (run.Service, error) {
	return &etcdServer{house: h, ready: make(chan struct{})}, nil
}

func (e *etcdServer) Ready() <-chan struct{} { return e.ready }

func (e *etcdServer) options() (*embed.Config, error) {
	config := e.house.config.Etcd
	c := embed.NewConfig()
	c.Name = "limen"
	c.Dir = e.house.dir("etcd")
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.TickMs, c.ElectionMs = etcdTick, etcdElection
	c.QuotaBackendBytes = config.QuotaBytes
	c.AutoCompactionMode = embed.CompactorModePeriodic
	c.AutoCompactionRetention = config.Keep.String()
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapTo(e.house.telemetry.Log, &e.stopping))
	c.EnableGRPCGateway = false
	// No socket unless somebody else is to reach it: nothing to clash with another process, nothing left behind.
	c.ListenPeerUrls, c.ListenClientUrls, c.AdvertiseClientUrls = nil, nil, nil
	for _, l := range config.Listen {
		u, err := url.Parse(l)
		if err != nil {
			return nil, fmt.Errorf("etcd: %w", err)
		}
		c.ListenClientUrls = append(c.ListenClientUrls, *u)
	}
	c.AdvertiseClientUrls = c.ListenClientUrls
	return c, nil
}

// Run runs the member and lends the house a client that calls it directly.
func (e *etcdServer) Run(ctx context.Context) error {
	c, err := e.options()
	if err != nil {
		return err
	}
	first := firstStart{c.Dir, c.Dir + ".first"}
	if err := first.begin(); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	server, err := embed.StartEtcd(c)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer server.Close()
	select {
	case <-server.Server.ReadyNotify():
	case err := <-server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-ctx.Done():
		return nil
	}
	if err := first.end(); err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	client := v3client.New(server.Server)
	defer client.Close()
	e.house.lendEtcd(client)
	close(e.ready)
	select {
	case <-ctx.Done():
		e.stopping.Store(true)
		return nil
	case err := <-server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-server.Server.StopNotify():
		return errors.New("etcd: stopped by itself")
	}
}
