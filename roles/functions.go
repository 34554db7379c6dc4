package roles

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/cli/sample"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/snapshots"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/functions"
)

// FunctionsConfig are the settings of the functions host.
type FunctionsConfig struct {
	functions.Config `yaml:",inline"`
	Listen           string        `yaml:"listen" help:"address where edges, authz and admin in other processes invoke functions"`
	DrainGrace       time.Duration `yaml:"drain_grace" default:"5s" help:"how long a host that is told to end goes on, not ready and asking its callers to go to another"`
	DrainTimeout     time.Duration `yaml:"drain_timeout" default:"30s" help:"how long invocations in flight may take after that"`
}

// Check tells which setting breaks which rule.
func (c *FunctionsConfig) Check() error {
	if c.DrainGrace < 0 || c.DrainTimeout < 0 {
		return settings.Refuse("drain_grace", "must not be negative, nor drain_timeout")
	}
	return c.Config.Check()
}

// functionsHost is the role functions: the host, and its follower of declared functions.
type functionsHost struct {
	house *house
	*functions.Service
	follower *snapshots.Follower
	open     chan struct{} // closed when others reach it
}

// Ready is closed when invocations are taken.
func (f *functionsHost) Ready() <-chan struct{} {
	if f.house.config.Functions.Listen == "" {
		return f.Service.Ready()
	}
	return f.open
}

func newFunctions(h *house) (run.Service, error) {
	c := h.config.Functions.Config
	if c.Region == "" {
		c.Region = h.config.Region
	}
	if h.dev && len(c.Declare) == 0 {
		for _, name := range sample.Names() {
			c.Declare = append(c.Declare, functions.Function{Name: name, Sample: name})
		}
	}
	s, err := functions.New(c, functions.Deps{Log: h.telemetry.Log, Meters: h.telemetry.Meters, Traces: h.telemetry.Traces})
	if err != nil {
		return nil, err
	}
	follower, err := newFollower(h, "functions", "", &declarer{host: s, log: h.telemetry.Log, known: map[string]*snapshotv1.Function{}})
	if err != nil {
		return nil, err
	}
	h.functions.Store(s)
	return &functionsHost{h, s, follower, make(chan struct{})}, nil
}

// Run answers until ctx ends, and for the grace after that. Others reach it as soon as it knows what was declared: who is
// told that there is no such function does not ask another host.
func (f *functionsHost) Run(ctx context.Context) error {
	config := f.house.config.Functions
	g, ctx := errgroup.WithContext(ctx)
	answering := face{
		setting: "functions.listen", address: config.Listen, secure: f.house.serverTLS("edge", "authz", "admin"),
		handler: f.Handler(), grace: f.house.grace(config.DrainGrace), drain: config.DrainTimeout, after: f.follower.Loaded(), open: f.open,
	}.keep(ctx, g)
	g.Go(func() error { return f.Service.Run(answering) })
	g.Go(func() error { return f.follower.Run(answering) })
	return g.Wait()
}

// declarer hands declared functions to the host.
type declarer struct {
	host  *functions.Service
	log   *slog.Logger
	known map[string]*snapshotv1.Function
}

// Apply declares and forgets. A function that cannot be hosted is refused by every version of its declaration, so there
// is no last good one to keep.
func (d *declarer) Apply(u snapshots.Update) (failing []string) {
	gone := u.Deleted
	if u.Full {
		present := map[string]bool{}
		for _, r := range u.Changed {
			present[r.Key] = true
		}
		for key := range d.known {
			if !present[key] {
				gone = append(gone, key)
			}
		}
	}
	for _, key := range gone {
		if f := d.known[key]; f != nil {
			d.host.Forget(f.Region, f.Account, f.Name)
			delete(d.known, key)
		}
	}
	for _, r := range u.Changed {
		f := r.GetFunction()
		if f == nil {
			continue
		}
		if err := d.host.Declare(declared(f)); err != nil {
			d.log.Error("declared function is not hosted", "function", f.Name, "account", f.Account, "error", err)
			continue
		}
		d.known[r.Key] = f
	}
	return nil
}

// Report has nothing to say per stage.
func (d *declarer) Report() []*configv1.StageReport { return nil }

// declared turns the published form of a function into the host's.
func declared(f *snapshotv1.Function) functions.Function {
	out := functions.Function{
		Name: f.Name, Region: f.Region, Account: f.Account, Sample: f.Sample, URL: f.Url, Env: f.Environment,
		Timeout: time.Duration(f.TimeoutSeconds) * time.Second, Memory: int(f.MemoryMib), ReservedConcurrency: int(f.ReservedConcurrency),
		Versions: map[string]functions.Code{}, Aliases: f.Aliases,
	}
	out.Command, out.Args = command(f.Command)
	for number, v := range f.Versions {
		code := functions.Code{Sample: v.Sample, URL: v.Url, Env: v.Environment}
		code.Command, code.Args = command(v.Command)
		out.Versions[number] = code
	}
	return out
}

func command(words []string) (program string, args []string) {
	if len(words) == 0 {
		return "", nil
	}
	return strings.TrimSpace(words[0]), words[1:]
}

// newFollower follows admin for a consumer of this process.
func newFollower(h *house, role, address string, consumer snapshots.Consumer) (*snapshots.Follower, error) {
	client, err := h.configClient(role)
	if err != nil {
		return nil, err
	}
	ring, err := seal.LoadOrCreate(h.edgeKeyFile())
	if err != nil {
		return nil, fmt.Errorf("edge_key_file: %w", err)
	}
	f := snapshots.New(snapshots.Config{Role: role, Address: address, Dir: h.config.DataDir, Keyring: ring, Admin: client, Log: h.telemetry.Log}, consumer)
	return f, f.Instruments(h.telemetry.Meters.Meter("limen/snapshots"))
}
