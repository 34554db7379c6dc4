// Package natstest starts a real NATS server with JetStream inside a test. Clients reach it through a proxy, so that a
// test can pause it, cut it off, or kill and restart it with the data it had.
package natstest

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/limen-gateway/limen/platform/proxytest"
)

const startTimeout = time.Minute // a machine may be busy

// Server is one NATS server.
type Server struct {
	// Conn reaches the server over TCP and the proxy: it suffers what the faults do. It reconnects for ever.
	Conn *nats.Conn
	// URL is where other clients find it.
	URL string
	// Proxy is what stands between.
	Proxy *proxytest.Proxy

	dir  string
	addr atomic.Value // string: where the server listens; new after a restart
	nats *server.Server
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir()}
	s.run(t)
	t.Cleanup(s.end)
	s.Proxy = proxytest.New(t, func() (string, string) { return "tcp", s.addr.Load().(string) })
	s.URL = "nats://" + s.Proxy.Addr()
	s.Conn = s.Dial(t)
	return s
}

// Dial makes another client, which ends with the test.
func (s *Server) Dial(t testing.TB, options ...nats.Option) *nats.Conn {
	t.Helper()
	all := append([]nats.Option{
		nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond), nats.ReconnectJitter(0, 0),
		nats.PingInterval(time.Second), nats.MaxPingsOutstanding(1), nats.IgnoreDiscoveredServers(),
	}, options...)
	c, err := nats.Connect(s.URL, all...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Local makes a client without a network between: no fault but Kill reaches it.
func (s *Server) Local(t testing.TB) *nats.Conn {
	t.Helper()
	c, err := nats.Connect("", nats.InProcessServer(s.nats))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// Kill ends the server at once.
func (s *Server) Kill() {
	s.Proxy.Cut()
	s.end()
}

// Restart starts the server again, after Kill, with the data it had and at the same URL.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.run(t)
	s.Proxy.Restore(t)
}

// LoseJetStream leaves the server and its connections as they are, and takes JetStream away: as in a cluster without a
// majority.
func (s *Server) LoseJetStream(t testing.TB) {
	t.Helper()
	if err := s.nats.DisableJetStream(); err != nil {
		t.Fatal(err)
	}
}

func (s *Server) end() {
	s.nats.Shutdown()
	s.nats.WaitForShutdown()
}

func (s *Server) run(t testing.TB) {
	t.Helper()
	n, err := server.NewServer(&server.Options{
		ServerName: "test", Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: s.dir,
		NoSigs: true, NoLog: true,
	})
	if err != nil {
		t.Fatalf("nats: %v", err)
	}
	n.Start()
	if !n.ReadyForConnections(startTimeout) {
		n.Shutdown()
		t.Fatalf("nats is not ready after %s", startTimeout)
	}
	s.nats = n
	s.addr.Store(n.Addr().String())
}
