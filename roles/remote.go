package roles

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/limen-gateway/limen/platform/run"
)

// The roles of a cluster find etcd and NATS in other processes. A client service stands in the list where the embedded
// server would, lends the house the same thing and is ready at once: clients connect, and connect again, by themselves.

const (
	// A dead etcd member is left, and a dead connection noticed, within seconds.
	remoteKeepAlive = 2 * time.Second
	remotePing      = 2 * time.Second // foundations.md 8.4
	reconnectWait   = 500 * time.Millisecond
)

// clients lists the client services for what the chosen roles need and none of them is.
func (h *house) clients(chosen []role) []run.Named {
	needed := func(name string) bool {
		is := func(r role) bool { return r.name == name }
		needs := func(r role) bool { return slices.Contains(r.needs, name) }
		return !slices.ContainsFunc(chosen, is) && slices.ContainsFunc(chosen, needs)
	}
	var out []run.Named
	if needed("etcd") {
		out = append(out, h.named("etcd client", func(h *house) (run.Service, error) { return newEtcdClient(h) }))
	}
	// Whoever answers @connections reaches the owners of connections over NATS, where there is one.
	asks := func(r role) bool { return r.name == "edge" || r.name == "admin" }
	plays := func(r role) bool { return r.name == "nats" }
	if needed("nats") || h.config.NATS.URL != "" && slices.ContainsFunc(chosen, asks) && !slices.ContainsFunc(chosen, plays) {
		out = append(out, h.named("nats client", func(h *house) (run.Service, error) { return newNATSClient(h) }))
	}
	return out
}

// client is a connection that was made and waits for its end.
type client struct{ close func() }

func (c client) Run(ctx context.Context) error {
	<-ctx.Done()
	c.close()
	return nil
}

func newEtcdClient(h *house) (run.Service, error) {
	endpoints := h.config.Etcd.Endpoints
	if len(endpoints) == 0 {
		return nil, fmt.Errorf("etcd.endpoints (LIMEN_ETCD_ENDPOINTS) must name etcd, since this process does not run it")
	}
	c, err := clientv3.New(clientv3.Config{
		Endpoints: endpoints, Logger: zapTo(h.telemetry.Log, new(atomic.Bool)),
		DialKeepAliveTime: remoteKeepAlive, DialKeepAliveTimeout: remoteKeepAlive, PermitWithoutStream: true,
	})
	if err != nil {
		return nil, fmt.Errorf("etcd.endpoints (LIMEN_ETCD_ENDPOINTS): %w", err)
	}
	h.lendEtcd(c)
	return client{func() { _ = c.Close() }}, nil
}

func newNATSClient(h *house) (run.Service, error) {
	url := h.config.NATS.URL
	if url == "" {
		return nil, fmt.Errorf("nats.url (LIMEN_NATS_URL) must name NATS, since this process does not run it")
	}
	c, err := nats.Connect(url, nats.Name("limen"), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait), nats.PingInterval(remotePing), nats.MaxPingsOutstanding(1))
	if err != nil {
		return nil, fmt.Errorf("nats.url (LIMEN_NATS_URL): %w", err)
	}
	h.lendNATS(c)
	return client{c.Close}, nil
}

// lendEtcd gives the roles after this one an etcd client, and the probes a check.
func (h *house) lendEtcd(c *clientv3.Client) {
	h.etcd = c
	h.telemetry.Health.Check("etcd", func(ctx context.Context) error {
		_, err := c.Get(ctx, "/limen/health") // a linearizable read: there is a leader and it answers
		return err
	})
}

// lendNATS gives the roles after this one a NATS connection, and the probes a check.
func (h *house) lendNATS(c *nats.Conn) {
	h.nats = c
	h.telemetry.Health.Check("nats", c.FlushWithContext)
}
