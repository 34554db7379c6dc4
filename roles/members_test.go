package roles

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/platform/trust"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/metering"
)

// Members of etcd and NATS are whole clusters here, each in this process, with certificates of one CA.

const membersPatience = 2 * time.Minute // a machine may be busy

// secured makes processes with certificates.
type secured struct {
	t  *testing.T
	ca *trust.Authority
}

func newSecured(t *testing.T) *secured {
	ca, err := trust.NewAuthority(t.TempDir(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return &secured{t, ca}
}

// certified are all that a certificate may name: the roles, and who is no process of ours.
func certified() []string { return append(Names(), operator) }

// files issues a certificate.
func (s *secured) files(role string) trust.Config {
	s.t.Helper()
	dir := s.t.TempDir()
	s.issue(dir, role, 0)
	return trust.Config{CAFile: filepath.Join(dir, trust.CAFile), CertFile: filepath.Join(dir, trust.CertFile), KeyFile: filepath.Join(dir, trust.KeyFile)}
}

func (s *secured) issue(dir, role string, lifetime time.Duration) {
	s.t.Helper()
	if err := s.ca.Issue(dir, trust.Request{Role: role, Names: []string{"127.0.0.1"}, Lifetime: lifetime}, time.Now()); err != nil {
		s.t.Fatal(err)
	}
}

// house is a process of a role that does nothing yet.
func (s *secured) house(c Config, role string) *house {
	s.t.Helper()
	c.Trust = s.files(role)
	settings.Defaults(&c)
	tel, err := telemetry.New(c.Telemetry, "limen-test", "0")
	if err != nil {
		s.t.Fatal(err)
	}
	identity, err := identityOf(c.Trust, tel.Log, []string{role})
	if err != nil {
		s.t.Fatal(err)
	}
	return newHouse(c, tel, identity)
}

// client is a process of a role that reaches the stores elsewhere.
func (s *secured) client(c Config, role string) *house {
	s.t.Helper()
	h := s.house(c, role)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, store := range []struct {
		named bool
		build func(*house) (run.Service, error)
	}{{len(c.Etcd.Endpoints) > 0, newEtcdClient}, {c.NATS.URL != "", newNATSClient}} {
		if !store.named {
			continue
		}
		service, err := store.build(h)
		if err != nil {
			s.t.Fatal(err)
		}
		wg.Go(func() { _ = service.Run(ctx) })
	}
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return h
}

// member is one that runs until it is stopped; its data outlives it.
type member struct {
	house *house
	ready <-chan struct{}
	stop  func()
}

func (s *secured) member(c Config, role string) *member {
	s.t.Helper()
	h := s.house(c, role)
	g := run.New(h.telemetry.Log, h.list(only(role))...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	m := &member{house: h, ready: g.Ready(), stop: sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	})}
	s.t.Cleanup(m.stop)
	return m
}

// healthy waits until a member says that it is.
func (m *member) healthy(t *testing.T) {
	t.Helper()
	select {
	case <-m.ready:
	case <-time.After(membersPatience):
		t.Fatal("a member is not ready")
	}
	m.house.telemetry.Health.Started()
	eventually(t, m.house.telemetry.Health.Ready)
}

// eventually tries until there is no error.
func eventually(t *testing.T, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), membersPatience)
	defer cancel()
	for {
		one, cancel := context.WithTimeout(ctx, 3*time.Second)
		err := try(one)
		cancel()
		if err == nil {
			return
		}
		if !run.Pause(ctx, 50*time.Millisecond) {
			t.Fatal(err)
		}
	}
}

// refused says how a listener refuses the certificate of a role: a client learns it with its first read.
func (s *secured) refused(address string, identity *trust.Identity, server string) error {
	s.t.Helper()
	c, err := tls.Dial("tcp", address, identity.Client(server))
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(membersPatience))
	_, err = io.ReadFull(c, make([]byte, 1))
	return err
}

func TestEtcdMembers(t *testing.T) {
	s := newSecured(t)
	const members = 3
	var configs [members]Config
	cluster, endpoints := map[string]string{}, []string(nil)
	for i := range configs {
		listen, peers := "https://"+proxytest.FreeAddress(t), "https://"+proxytest.FreeAddress(t)
		name := fmt.Sprintf("etcd%d", i+1)
		cluster[name], endpoints = peers, append(endpoints, listen)
		configs[i] = Config{DataDir: t.TempDir(), Etcd: EtcdConfig{Name: name, Listen: []string{listen}, PeerListen: []string{peers}, PeerAdvertise: peers, InitialCluster: cluster}}
	}
	var all [members]*member
	for i := range all {
		all[i] = s.member(configs[i], "etcd")
	}
	for _, m := range all {
		m.healthy(t)
	}
	admin := s.client(Config{Etcd: EtcdConfig{Endpoints: endpoints}}, "admin")
	put := func(value string) {
		eventually(t, func(ctx context.Context) error {
			_, err := admin.etcd.Put(ctx, "/limen/x", value)
			return err
		})
	}
	put("1")
	backup := s.client(Config{Etcd: EtcdConfig{Endpoints: endpoints}}, operator)
	eventually(t, func(ctx context.Context) error {
		snapshot, err := backup.etcd.Snapshot(ctx)
		if err == nil {
			err = snapshot.Close()
		}
		return err
	})

	leader := -1
	for i, m := range all {
		status, err := m.house.etcd.Status(t.Context(), endpoints[i])
		if err != nil {
			t.Fatal(err)
		}
		if status.Leader == status.Header.MemberId {
			leader = i
		}
	}
	if leader < 0 {
		t.Fatal("no leader")
	}
	all[leader].stop()
	put("2")
	all[leader] = s.member(configs[leader], "etcd")
	all[leader].healthy(t)
	got, err := all[leader].house.etcd.Get(t.Context(), "/limen/x")
	if err != nil || string(got.Kvs[0].Value) != "2" {
		t.Errorf("who was away reads %v, %v", got, err)
	}

	for _, role := range []string{"edge", "authz", "wsconn", "metering", "cache", "functions", "nats", "entry"} {
		identity := s.house(Config{}, role).identity
		for _, address := range []string{endpoints[0], cluster["etcd1"]} {
			if err := s.refused(strings.TrimPrefix(address, "https://"), identity, "etcd"); err == nil || !strings.Contains(err.Error(), "tls: bad certificate") {
				t.Errorf("%s at %s: %v", role, address, err)
			}
		}
	}
	if err := s.refused(strings.TrimPrefix(cluster["etcd1"], "https://"), admin.identity, "etcd"); err == nil || !strings.Contains(err.Error(), "tls: bad certificate") {
		t.Errorf("admin among the members: %v", err)
	}

	s.issue(filepath.Dir(all[0].house.config.Trust.CertFile), "etcd", time.Hour)
	if left := lifetimeAt(t, strings.TrimPrefix(endpoints[0], "https://"), admin.identity, "etcd"); left > time.Hour {
		t.Errorf("a new connection sees the old certificate: %v left", left)
	}
	put("3")
}

// lifetimeAt is how long the certificate that a listener shows is good for.
func lifetimeAt(t *testing.T, address string, identity *trust.Identity, server string) time.Duration {
	t.Helper()
	c, err := tls.Dial("tcp", address, identity.Client(server))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return time.Until(c.ConnectionState().PeerCertificates[0].NotAfter)
}

// natsCluster is three members.
type natsCluster struct {
	*secured
	configs [3]Config
	members [3]*member
	url     string
}

func newNATSCluster(t *testing.T) *natsCluster {
	c := &natsCluster{secured: newSecured(t)}
	var routes, urls []string
	for i := range c.configs {
		listen, cluster := proxytest.FreeAddress(t), proxytest.FreeAddress(t)
		routes, urls = append(routes, "nats://"+cluster), append(urls, "nats://"+listen)
		c.configs[i] = Config{DataDir: t.TempDir(), NATS: NATSConfig{Name: fmt.Sprintf("nats%d", i+1), Listen: listen, ClusterListen: cluster, ClusterAdvertise: cluster, SyncInterval: time.Second}}
	}
	c.url = strings.Join(urls, ",")
	for i := range c.configs {
		c.configs[i].NATS.Routes = routes
		c.members[i] = c.member(c.configs[i], "nats")
	}
	return c
}

func (c *natsCluster) as(role string) *house {
	return c.client(Config{NATS: NATSConfig{URL: c.url}}, role)
}

// metering starts one.
func (c *natsCluster) metering(replicas int) *metering.Service {
	c.t.Helper()
	h := c.as("metering")
	service, err := metering.New(metering.Config{Replicas: replicas}, metering.Deps{NATS: h.nats, Log: h.telemetry.Log})
	if err != nil {
		c.t.Fatal(err)
	}
	c.runs(service.Run)
	return service
}

func (c *natsCluster) runs(run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = run(ctx) })
	c.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
}

func (c *natsCluster) node(name string) *connections.Node {
	h := c.as("wsconn")
	n := connections.NewNode(connections.NodeConfig{NATS: h.nats, Replicas: 3, Log: h.telemetry.Log,
		Lost: func(context.Context, *wsconnv1.Handoff) bool { return true },
		Answer: func(*wsconnv1.Request) *wsconnv1.Answer {
			return &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_DONE}
		}})
	n.Announce("127.0.0.1:" + name)
	c.runs(n.Run)
	return n
}

func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(membersPatience):
		t.Fatalf("waited in vain: %s", what)
	}
}

// TestNATSMembers lets the roles that use NATS do so with their own permissions, from the first second of a cluster on.
func TestNATSMembers(t *testing.T) {
	c := newNATSCluster(t)
	within(t, "counters that one member keeps", c.metering(1).Ready())
	first, second := c.metering(3), c.metering(3) // both at once
	within(t, "counters", first.Ready())
	within(t, "counters", second.Ready())
	nodes := [2]*connections.Node{c.node("1"), c.node("2")}
	for _, n := range nodes {
		within(t, "a node's number", n.Claimed())
	}
	for _, m := range c.members {
		m.healthy(t)
	}
	js, err := jetstream.New(c.members[0].house.nats)
	if err != nil {
		t.Fatal(err)
	}
	var leader string
	for _, name := range []string{bucket(metering.QuotaBucket), bucket(metering.ThrottleBucket), bucket(connections.NodeBucket)} {
		eventually(t, func(ctx context.Context) error {
			info, err := js.Stream(ctx, name)
			if err != nil {
				return err
			}
			cached := info.CachedInfo()
			if cached.Config.Replicas != 3 || len(cached.Cluster.Replicas) != 2 || !cached.Cluster.Replicas[0].Current || !cached.Cluster.Replicas[1].Current {
				return fmt.Errorf("%s is kept by %+v", name, cached.Cluster)
			}
			if name == bucket(metering.QuotaBucket) {
				leader = cached.Cluster.Leader
			}
			return nil
		})
	}
	lease := func(want int64) {
		eventually(t, func(ctx context.Context) error {
			r, err := first.Lease(ctx, &meteringv1.LeaseRequest{Holder: "edge", Counter: &meteringv1.Counter{Account: "1", Region: "r", UsagePlan: "p", ApiKey: "k"},
				Revision: 1, Want: want, Limit: &meteringv1.LeaseRequest_Quota{Quota: &meteringv1.Quota{Limit: 100, Period: "DAY"}}})
			if err == nil && r.GetTokens() == 0 {
				err = errors.New("no tokens")
			}
			return err
		})
	}
	lease(1)
	if js, err = jetstream.New(c.as(operator).nats); err != nil {
		t.Fatal(err)
	}
	eventually(t, func(ctx context.Context) error {
		_, err := js.Stream(ctx, bucket(metering.QuotaBucket))
		return err
	})
	edge := c.as("edge")
	directory := connections.NewDirectory(edge.nats, edge.telemetry.Log)
	c.runs(directory.Run)
	eventually(t, func(context.Context) error {
		if got := directory.Nodes(); len(got) != len(nodes) {
			return fmt.Errorf("an edge knows %v", got)
		}
		return nil
	})
	asker := connections.NewClient(edge.nats, nil, nil)
	ask := func() {
		id, ok := nodes[1].Mint()
		if !ok {
			t.Fatal("no id")
		}
		eventually(t, func(ctx context.Context) error {
			_, err := asker.Ask(ctx, &wsconnv1.Request{ConnectionId: id, What: &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}})
			return err
		})
	}
	ask()

	gone := -1
	for i := range c.members {
		if c.configs[i].NATS.Name == leader {
			gone = i
		}
	}
	c.members[gone].stop()
	lease(2)
	ask()
	within(t, "counters while a member is away", c.metering(3).Ready())
	c.members[gone] = c.member(c.configs[gone], "nats")
	for _, m := range c.members {
		m.healthy(t)
	}

	c.issue(filepath.Dir(c.members[0].house.config.Trust.CertFile), "nats", time.Hour)
	eventually(t, func(context.Context) error {
		if left := lifetimeAt(t, c.configs[0].NATS.ClusterListen, c.members[1].house.identity, "nats"); left > time.Hour {
			return fmt.Errorf("a new connection sees the old certificate: %v left", left)
		}
		return nil
	})
}

// TestNATSRefusesOtherRoles tries what a role of its own may not do, and who has no business there.
func TestNATSRefusesOtherRoles(t *testing.T) {
	s := newSecured(t)
	c := Config{DataDir: t.TempDir(), NATS: NATSConfig{Listen: proxytest.FreeAddress(t), ClusterListen: proxytest.FreeAddress(t)}}
	c.NATS.Routes = []string{"nats://" + c.NATS.ClusterListen, "nats://" + proxytest.FreeAddress(t)}
	within(t, "the member", s.member(c, "nats").ready)
	url := "nats://" + c.NATS.Listen

	dial := func(role string, heard chan<- error) (*nats.Conn, error) {
		return nats.Connect(url, nats.Secure(s.house(Config{}, role).identity.Client("nats")), nats.CustomInboxPrefix(anInbox+role),
			nats.Timeout(membersPatience), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { heard <- err }))
	}
	for _, role := range []string{"authz", "cache", "functions", "entry", "etcd", "nats"} {
		if conn, err := dial(role, make(chan error, 1)); !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: %v %v", role, conn, err)
		}
	}
	if conn, err := nats.Connect(url, nats.Secure(&tls.Config{InsecureSkipVerify: true})); err == nil {
		conn.Close()
		t.Error("a client without a certificate is let in")
	}
	if conn, err := nats.Connect(url, nats.Secure(newSecured(t).house(Config{}, "edge").identity.Client("nats"))); err == nil {
		conn.Close()
		t.Error("a member of another cluster is believed")
	}
	for _, role := range []string{"edge", "wsconn"} {
		if err := s.refused(c.NATS.ClusterListen, s.house(Config{}, role).identity, "nats"); err == nil || !strings.Contains(err.Error(), "tls: bad certificate") {
			t.Errorf("%s among the members: %v", role, err)
		}
	}

	for _, tt := range []struct {
		role    string
		publish []string
		hear    []string
	}{
		{"edge", []string{metering.RecallSubject, "$KV.limen_quota.q.1", "$KV.limen_wsconn_nodes.0", "ws.journal.x", "_INBOX.admin.x", "$JS.API.INFO", "$JS.API.STREAM.CREATE.x",
			"$JS.API.STREAM.DELETE.KV_limen_wsconn_nodes", "$JS.API.STREAM.MSG.GET.KV_limen_quota", "$JS.API.DIRECT.GET.KV_limen_quota.$KV.limen_quota.q.1", "$JS.API.CONSUMER.CREATE.KV_limen_quota.x"},
			[]string{">", "ws.push.>", metering.RecallSubject, "_INBOX.metering.>", "_INBOX.>", "$KV.>"}},
		{"admin", []string{metering.RecallSubject, "$KV.limen_quota.q.1", "ws.journal.x", "$JS.API.STREAM.PURGE.limen_wsconn_journal"}, []string{">", "ws.push.>", "_INBOX.edge.>"}},
		{"metering", []string{"ws.push.0.x", "ws.journal.x", "$KV.limen_wsconn_nodes.0", "$JS.API.STREAM.MSG.GET.KV_limen_wsconn_nodes", "$JS.API.STREAM.UPDATE.limen_wsconn_journal"},
			[]string{">", "ws.>", "_INBOX.wsconn.>"}},
		{"wsconn", []string{"ws.push.0.x", metering.RecallSubject, "$KV.limen_quota.q.1", "$JS.API.STREAM.UPDATE.KV_limen_quota", "$JS.API.STREAM.MSG.GET.KV_limen_throttle"},
			[]string{">", metering.RecallSubject, "ws.journal.>", "_INBOX.edge.>"}},
		{operator, []string{metering.RecallSubject, "$KV.limen_quota.q.1", "ws.push.0.x", "ws.journal.x", "_INBOX.edge.x"}, []string{">", "$JS.>", "ws.push.>", "_INBOX.edge.>"}},
	} {
		heard := make(chan error, 1)
		conn, err := dial(tt.role, heard)
		if err != nil {
			t.Fatal(tt.role, err)
		}
		expect := func(what string, err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-heard:
				if !errors.Is(err, nats.ErrPermissionViolation) || !strings.Contains(err.Error(), what) {
					t.Errorf("%s, %s: %v", tt.role, what, err)
				}
			case <-time.After(membersPatience):
				t.Fatalf("%s, %s: nobody refuses", tt.role, what)
			}
		}
		for _, subject := range tt.publish {
			expect(`Publish to "`+subject+`"`, conn.Publish(subject, nil))
		}
		for _, subject := range tt.hear {
			_, err := conn.SubscribeSync(subject)
			expect(`Subscription to "`+subject+`"`, err)
		}
		conn.Close()
	}
}
