package roles

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"

	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/trust"
)

// EtcdConfig are the settings of the embedded etcd, and of the client of one elsewhere. The zero value keeps a single
// member in the data folder that only this process can reach.
type EtcdConfig struct {
	Listen     []string      `yaml:"listen" help:"URLs where other processes reach etcd, such as http://0.0.0.0:2379, with https when trust is set; none when empty"`
	Advertise  []string      `yaml:"advertise" help:"URLs that the member tells clients who list the members; those of listen when empty"`
	QuotaBytes int64         `yaml:"quota_bytes" default:"2147483648" help:"how big the database may grow before etcd refuses writes"`
	Keep       time.Duration `yaml:"keep" default:"1h" help:"how long old revisions are kept for followers that come back"`

	Name                string            `yaml:"name" default:"limen" help:"the member's name in its cluster"`
	PeerListen          []string          `yaml:"peer_listen" help:"URLs where the other members reach this one, such as http://0.0.0.0:2380; a single member when empty"`
	PeerAdvertise       string            `yaml:"peer_advertise" help:"URL that the other members reach this one at; what initial_cluster has for name when empty"`
	InitialCluster      map[string]string `yaml:"initial_cluster" help:"names and peer URLs of all members, this one among them, such as etcd1=http://etcd1:2380,etcd2=http://etcd2:2380"`
	InitialClusterToken string            `yaml:"initial_cluster_token" default:"limen" help:"keeps members of different clusters from mixing; read at the first start only"`
	InitialClusterState string            `yaml:"initial_cluster_state" default:"new" help:"new, or existing for a member that was added to a cluster that runs; read at the first start only"`

	Endpoints    []string `yaml:"endpoints" help:"URLs of an etcd elsewhere, all its members, for processes that do not run the role etcd"`
	Username     string   `yaml:"username" help:"the user that the etcd elsewhere knows this process by"`
	PasswordFile string   `yaml:"password_file" help:"the file of the user's password"`
	ClientTLS    `yaml:",inline"`
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
	problems = append(problems, c.checkURLs()...)
	problems = append(problems, c.checkCluster()...)
	if (c.Username != "") != (c.PasswordFile != "") {
		problems = append(problems, settings.Refuse("username", "must be given together with password_file"))
	}
	return errors.Join(append(problems, c.ClientTLS.check()...)...)
}

func (c *EtcdConfig) checkURLs() (problems []error) {
	for _, list := range []struct {
		setting, example string
		urls             []string
	}{
		{"listen", "http://0.0.0.0:2379", c.Listen},
		{"advertise", "http://etcd1:2379", c.Advertise},
		{"peer_listen", "http://0.0.0.0:2380", c.PeerListen},
		{"endpoints", "https://etcd1:2379", c.Endpoints},
	} {
		for _, text := range list.urls {
			if !isURL(text, "http", "https") {
				problems = append(problems, settings.Refuse(list.setting, "must be URLs such as %s, not %q", list.example, text))
			}
		}
	}
	return problems
}

// checkSchemes keeps a member from speaking plaintext beside its certificate, and from TLS without one.
func (c *EtcdConfig) checkSchemes(secured bool) error {
	want, why := "http", "when trust.cert_file is empty"
	if secured {
		want, why = "https", "when trust.cert_file is given"
	}
	var problems []error
	for _, list := range []struct {
		setting string
		urls    []string
	}{
		{"etcd.listen", c.Listen},
		{"etcd.advertise", c.Advertise},
		{"etcd.peer_listen", c.PeerListen},
		{"etcd.initial_cluster", slices.Sorted(maps.Values(c.InitialCluster))},
	} {
		if i := slices.IndexFunc(list.urls, func(u string) bool { return !strings.HasPrefix(u, want+"://") }); i >= 0 {
			problems = append(problems, settings.Refuse(list.setting, "must begin with %s:// %s, not be %q", want, why, list.urls[i]))
		}
	}
	return errors.Join(problems...)
}

func (c *EtcdConfig) checkCluster() (problems []error) {
	for _, name := range slices.Sorted(maps.Keys(c.InitialCluster)) {
		if !isURL(c.InitialCluster[name], "http", "https") {
			problems = append(problems, settings.Refuse("initial_cluster", "must give each name a URL such as http://%s:2380, not %q", name, c.InitialCluster[name]))
		}
	}
	own := c.InitialCluster[c.Name]
	switch {
	case (len(c.PeerListen) > 0) != (len(c.InitialCluster) > 0):
		problems = append(problems, settings.Refuse("peer_listen", "must be given together with initial_cluster"))
	case len(c.InitialCluster) > 0 && own == "":
		problems = append(problems, settings.Refuse("initial_cluster", "must have a URL for name, which is %q", c.Name))
	case c.PeerAdvertise != "" && c.PeerAdvertise != own:
		problems = append(problems, settings.Refuse("peer_advertise", "must be what initial_cluster has for name, %q, not %q", own, c.PeerAdvertise))
	}
	if c.InitialClusterState != "new" && c.InitialClusterState != "existing" {
		problems = append(problems, settings.Refuse("initial_cluster_state", "must be new or existing, not %q", c.InitialClusterState))
	}
	return problems
}

// isURL reports whether text is no more than a URL of one of the schemes with a host and a port.
func isURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && slices.Contains(schemes, u.Scheme) && u.Hostname() != "" && u.Port() != "" && u.User == nil && u.Path == "" && u.RawQuery == ""
}

const (
	// A single member elects itself; short ticks make that take a tenth of a second instead of one.
	etcdTick     = 10 // ms
	etcdElection = 100
	// In a cluster a busy machine must not cost the leader its place.
	etcdClusterTick     = 250 // ms
	etcdClusterElection = 2500
)

// etcdServer is the role etcd: a durable member, alone or in a cluster.
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
	c.Name = config.Name
	c.Dir = e.house.dir("etcd")
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.TickMs, c.ElectionMs = etcdTick, etcdElection
	c.QuotaBackendBytes = config.QuotaBytes
	c.AutoCompactionMode = embed.CompactorModePeriodic
	c.AutoCompactionRetention = config.Keep.String()
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zapTo(e.house.telemetry.Log, &e.stopping))
	c.EnableGRPCGateway = false
	// No socket unless somebody else is to reach it: nothing to clash with another process, nothing left behind.
	c.ListenPeerUrls = nil
	if len(config.InitialCluster) > 0 {
		if err := joinCluster(c, config); err != nil {
			return nil, err
		}
	}
	if e.house.identity != nil {
		secureEtcd(c, e.house.config.Trust)
	}
	var err error
	if c.ListenClientUrls, err = parseURLs(config.Listen); err != nil {
		return nil, err
	}
	c.AdvertiseClientUrls = c.ListenClientUrls
	if len(config.Advertise) > 0 {
		c.AdvertiseClientUrls, err = parseURLs(config.Advertise)
	}
	return c, err
}

// joinCluster makes the member one of several.
func joinCluster(c *embed.Config, config EtcdConfig) (err error) {
	var members []string
	for _, name := range slices.Sorted(maps.Keys(config.InitialCluster)) {
		members = append(members, name+"="+config.InitialCluster[name])
	}
	c.InitialCluster = strings.Join(members, ",")
	c.InitialClusterToken, c.ClusterState = config.InitialClusterToken, config.InitialClusterState
	c.TickMs, c.ElectionMs = etcdClusterTick, etcdClusterElection
	if c.ListenPeerUrls, err = parseURLs(config.PeerListen); err != nil {
		return err
	}
	c.AdvertisePeerUrls, err = parseURLs([]string{config.InitialCluster[config.Name]})
	return err
}

// secureEtcd lets only admin in, the other members and an operator. The certificates are read again for each connection; that of the CA
// is not.
func secureEtcd(c *embed.Config, files trust.Config) {
	t := &c.PeerTLSInfo
	t.CertFile, t.KeyFile, t.TrustedCAFile, t.ClientCertAuth = files.CertFile, files.KeyFile, files.CAFile, true
	// Who a client is its role says; a look-up of its address says nothing more.
	t.SkipClientSANVerify = true
	c.ClientTLSInfo = *t
	c.PeerTLSInfo.AllowedCNs = []string{"etcd"}
	c.ClientTLSInfo.AllowedCNs = []string{"admin", "etcd", operator}
}

func parseURLs(texts []string) ([]url.URL, error) {
	var out []url.URL
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("etcd: %w", err)
		}
		out = append(out, *u)
	}
	return out, nil
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
