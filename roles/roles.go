// Package roles builds any set of roles in one process. It is the only place that knows them all, and the only one that
// holds the embedded etcd and NATS.
//
// A role is a name (etcd, nats, admin, edge …) and a function that builds its service from the house: the settings and
// what the roles before it have put there. The function runs when everything before it is ready, so it finds a working
// etcd client or NATS connection, and never asks whether that is in this process or elsewhere. Dev lists every role for
// one process but those that stand before a cluster, Server the ones that are named; both lists go to platform/run.
package roles

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/platform/trust"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	"github.com/limen-gateway/limen/services/functions"
	"github.com/limen-gateway/limen/services/wsconn"
)

// Config holds the settings of every role.
type Config struct {
	DataDir     string           `yaml:"data_dir" default:".limen" help:"the folder where everything that must last is kept"`
	Listen      string           `yaml:"listen" default:"127.0.0.1:4566" help:"address of the one port of limen dev"`
	Accounts    []string         `yaml:"accounts" default:"111111111111,222222222222" help:"the accounts that limen dev makes root keys for at first start"`
	Region      string           `yaml:"region" default:"us-east-1" help:"the region that limen dev prints"`
	RootKeyFile string           `yaml:"root_access_key_file" env:"LIMEN_ROOT_ACCESS_KEY_FILE" help:"the file of root keys; limen dev makes root-keys in the data folder"`
	Telemetry   telemetry.Config `yaml:"telemetry"`
	Trust       trust.Config     `yaml:"trust"`
	Etcd        EtcdConfig       `yaml:"etcd"`
	NATS        NATSConfig       `yaml:"nats"`
	Admin       AdminConfig      `yaml:"admin"`
	Functions   FunctionsConfig  `yaml:"functions"`
	Edge        EdgeConfig       `yaml:"edge"`
	Authz       AuthzConfig      `yaml:"authz"`
	Cache       CacheConfig      `yaml:"cache"`
	Metering    MeteringConfig   `yaml:"metering"`
	Wsconn      WsconnConfig     `yaml:"wsconn"`
	Entry       EntryConfig      `yaml:"entry"`
	// MeteringAddress is where edges and admin in other processes find metering.
	MeteringAddress string `yaml:"metering_address" help:"host:port of metering.grpc_listen, for edges and admins in other processes"`
	// AdminAddress is where followers in other processes find admin.
	AdminAddress string `yaml:"admin_address" help:"host:port of admin.grpc_listen, for edges and functions hosts in other processes"`
	EdgeKeyFile  string `yaml:"edge_key_file" env:"LIMEN_EDGE_KEY_FILE" help:"the file of the key that seals copies of the configuration on disk; made in the data folder when not named"`
}

// Check tells which setting breaks which rule.
func (c *Config) Check() error {
	for _, a := range c.Accounts {
		if len(a) != 12 || strings.Trim(a, "0123456789") != "" {
			return settings.Refuse("accounts", "must be 12 digits each, not %q", a)
		}
	}
	return c.Etcd.checkSchemes(c.Trust.CertFile != "")
}

// house is one process: its settings, and what its roles lend each other. A role writes what it lends before it is
// ready; the roles after it in the list read it.
type house struct {
	config    Config
	telemetry *telemetry.Telemetry
	identity  *trust.Identity  // nil in a process that is alone, or speaks plaintext
	etcd      *clientv3.Client // lent by etcd, or a client of one elsewhere
	nats      *nats.Conn       // lent by nats, or a client of one elsewhere
	admin     *controlPlane
	functions atomic.Pointer[functions.Service] // set when the host of this process is built
	edge      atomic.Pointer[edgeNode]
	authz     *grpcNode
	metering  *grpcNode
	cache     *grpcNode
	wsconn    atomic.Pointer[wsconn.Service] // set when the node of this process is built
	peers     *peers
	dev       bool // one process plays every role
}

// configClient follows the admin of this process, or one elsewhere.
func (h *house) configClient(role string) (configv1.ConfigClient, error) {
	if h.admin != nil {
		return configv1.NewConfigClient(h.admin.server.Local(rpc.Role(role))), nil
	}
	if h.config.AdminAddress == "" {
		return nil, fmt.Errorf("admin_address (LIMEN_ADMIN_ADDRESS) must name where admin is: this process does not play the role")
	}
	conn, err := h.peers.dial(h.config.AdminAddress, rpc.Admin, rpc.Role(role))
	if err != nil {
		return nil, fmt.Errorf("admin_address: %w", err)
	}
	return configv1.NewConfigClient(conn), nil
}

func (h *house) edgeKeyFile() string {
	if h.config.EdgeKeyFile != "" {
		return h.config.EdgeKeyFile
	}
	return h.dir("edge-key")
}

// grace is how long a role goes on, not ready, before it ends. Nothing stands before the one port of dev that would look.
func (h *house) grace(d time.Duration) time.Duration {
	if h.dev {
		return 0
	}
	return d
}

func (h *house) dir(name string) string { return filepath.Join(h.config.DataDir, name) }

// role is one entry of the list of all roles.
type role struct {
	name  string
	build func(h *house) (run.Service, error)
	needs []string // the stores that it uses: etcd, nats
	// drains is how long its clients may take when it ends.
	drains func(Config) time.Duration
	// outside: it stands before the others of a cluster, and one process that plays them all has no use for it.
	outside bool
}

// all lists the roles in starting order.
func all() []role {
	return []role{
		{name: "etcd", build: newEtcd},
		{name: "nats", build: newNATS},
		{name: "metering", build: newMetering, needs: []string{"nats"}},
		{name: "admin", build: newAdmin, needs: []string{"etcd"}, drains: func(c Config) time.Duration { return c.Admin.DrainGrace + stopTimeout }},
		{name: "functions", build: newFunctions, drains: func(c Config) time.Duration { return c.Functions.DrainGrace + c.Functions.DrainTimeout }},
		{name: "authz", build: newAuthz, drains: func(Config) time.Duration { return authorizerTimeout }},
		{name: "cache", build: newCache},
		{name: "edge", build: newEdge, drains: func(c Config) time.Duration { return c.Edge.DrainGrace + c.Edge.DrainTimeout }},
		{name: "wsconn", build: newWsconn, needs: []string{"nats"}, drains: func(c Config) time.Duration { return c.Wsconn.DrainTimeout }},
		{name: "entry", build: newEntry, drains: func(c Config) time.Duration { return c.Entry.DrainTimeout }, outside: true},
	}
}

// Names lists the roles of this binary, in starting order.
func Names() []string {
	var out []string
	for _, r := range all() {
		out = append(out, r.name)
	}
	return out
}

// DevProcess is a process that plays every role and answers on one port.
type DevProcess struct {
	Services []run.Named
	house    *house
	front    *front
}

// Dev lists the services of a process that plays every role. It has no certificate, since that names one role.
func Dev(c Config, t *telemetry.Telemetry) (*DevProcess, error) {
	settings.Defaults(&c)
	if c.Trust.CertFile != "" {
		return nil, settings.Refuse("trust.cert_file", "is for limen server: one process that plays every role has no certificate of one")
	}
	h := newHouse(c, t, nil)
	h.dev = true
	f := newFront(h)
	services := h.list(slices.DeleteFunc(all(), func(r role) bool { return r.outside }))
	for i := range services {
		if services[i].Name == "edge" {
			services[i].Service = f
		}
	}
	return &DevProcess{services, h, f}, nil
}

// Address is where it answers, once its services are ready.
func (d *DevProcess) Address() string { return d.front.addr }

// Seed gives it the API of an OpenAPI file, or the sample API without one, once its services are ready.
func (d *DevProcess) Seed(ctx context.Context, file string) (Seed, error) {
	return d.house.seed(ctx, file)
}

// Server lists the services of a process that plays the named roles.
func Server(c Config, t *telemetry.Telemetry, names ...string) ([]run.Named, error) {
	settings.Defaults(&c)
	var chosen []role
	for _, r := range all() {
		if slices.Contains(names, r.name) {
			chosen = append(chosen, r)
		}
	}
	for _, n := range names {
		if !slices.Contains(Names(), n) {
			return nil, fmt.Errorf("there is no role %q; the roles are %s", n, strings.Join(Names(), ", "))
		}
	}
	if len(chosen) == 0 {
		return nil, fmt.Errorf("no role is named; the roles are %s", strings.Join(Names(), ", "))
	}
	identity, err := identityOf(c.Trust, t.Log, names)
	if err == nil && identity != nil {
		err = identity.Instruments(t.Meters.Meter("limen/trust"))
	}
	if err != nil {
		return nil, err
	}
	return newHouse(c, t, identity).list(chosen), nil
}

func newHouse(c Config, t *telemetry.Telemetry, identity *trust.Identity) *house {
	return &house{config: c, telemetry: t, identity: identity, peers: newPeers(identity)}
}

// identityOf opens the certificate of a process that plays the named roles. Without one the settings must say that the
// network is trusted: nothing of a cluster speaks plaintext unasked.
func identityOf(c trust.Config, log *slog.Logger, names []string) (*trust.Identity, error) {
	identity, err := trust.Open(c, log)
	switch {
	case err != nil:
		return nil, fmt.Errorf("trust: %w", err)
	case identity == nil && !c.Insecure:
		return nil, fmt.Errorf("trust.cert_file (LIMEN_TRUST_CERT_FILE) must name this process's certificate (limen ca issue); or trust.insecure=true, where every host of the network is trusted")
	case identity == nil:
		log.Warn("plaintext between processes: any host of the network can play any role", "setting", "trust.insecure")
	case len(names) > 1 || identity.Role() != names[0]:
		return nil, fmt.Errorf("trust.cert_file: is of role %s, and the process would play %s: a certificate is for one role, and a process with one plays that alone", identity.Role(), strings.Join(names, ", "))
	}
	return identity, nil
}

// list puts the telemetry, and clients of what runs elsewhere, before the roles.
func (h *house) list(roles []role) []run.Named {
	list := []run.Named{{Name: "telemetry", Service: h.telemetry}, {Name: "peers", Service: h.peers}}
	list = append(list, h.clients(roles)...)
	for _, r := range roles {
		n := h.named(r.name, r.build)
		if r.drains != nil {
			n.StopTimeout = r.drains(h.config) + run.DefaultStopTimeout
		}
		list = append(list, n)
	}
	return list
}

func (h *house) named(name string, build func(*house) (run.Service, error)) run.Named {
	return run.Named{Name: name, Service: &lazy{name: name, house: h, build: build, ready: make(chan struct{})}}
}

// RootKeys reads the root keys of a process; dev makes a file of them at first start.
func RootKeys(c Config, dev bool) (keys []rootkeys.Key, path string, err error) {
	settings.Defaults(&c)
	path = c.RootKeyFile
	switch {
	case path == "" && dev:
		path = filepath.Join(c.DataDir, "root-keys")
		keys, err = rootkeys.LoadOrCreate(path, c.Accounts...)
	case path == "":
		err = fmt.Errorf("root_access_key_file (LIMEN_ROOT_ACCESS_KEY_FILE) must name the file of root keys")
	default:
		keys, err = rootkeys.Load(path)
	}
	return keys, path, err
}

// lazy is a service that is built when it is its turn to start.
type lazy struct {
	name  string
	house *house
	build func(*house) (run.Service, error)
	ready chan struct{}
}

func (l *lazy) Ready() <-chan struct{} { return l.ready }

func (l *lazy) Run(ctx context.Context) error {
	s, err := l.build(l.house)
	if err != nil {
		return err
	}
	readier, ok := s.(interface{ Ready() <-chan struct{} })
	if !ok {
		l.started()
		return s.Run(ctx)
	}
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-readier.Ready():
			l.started()
		case <-ended:
		}
	})
	err = s.Run(ctx)
	close(ended)
	wg.Wait()
	return err
}

// started tells the services after this one, and the probes (/readyz/{role}).
func (l *lazy) started() {
	l.house.telemetry.Health.Running(l.name)
	close(l.ready)
}
