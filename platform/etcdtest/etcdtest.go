// Package etcdtest starts a real etcd inside a test. Clients reach it through a proxy, so that a test can pause it, cut
// it off, or kill and restart it with the data it had.
//
// It does not sync to disk: tests do not pull power plugs, and many of them start one.
package etcdtest

import (
	"net/url"
	"path/filepath"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"

	"github.com/limen-gateway/limen/platform/proxytest"
)

const startTimeout = time.Minute // a machine may be busy

// Server is an etcd of one member.
type Server struct {
	// Client reaches the server over TCP and the proxy: it suffers what the faults do.
	Client *clientv3.Client
	// Endpoint is where other clients find it.
	Endpoint string
	// Proxy is what stands between.
	Proxy *proxytest.Proxy

	dir  string
	etcd *embed.Etcd
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir()}
	s.run(t)
	t.Cleanup(func() {
		if s.etcd != nil {
			s.etcd.Close()
		}
	})
	s.Proxy = proxytest.New(t, func() (string, string) { return "unix", s.socket() })
	s.Endpoint = "http://" + s.Proxy.Addr()
	s.Client = s.Dial(t)
	return s
}

func (s *Server) socket() string { return filepath.Join(s.dir, "sock") }

// Dial makes another client, which ends with the test.
func (s *Server) Dial(t testing.TB) *clientv3.Client {
	t.Helper()
	c, err := clientv3.New(clientv3.Config{
		Endpoints: []string{s.Endpoint}, Logger: zap.NewNop(),
		DialKeepAliveTime: time.Second, DialKeepAliveTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Local makes a client that calls the server directly: no fault but Kill reaches it.
func (s *Server) Local(t testing.TB) *clientv3.Client {
	t.Helper()
	c := v3client.New(s.etcd.Server)
	t.Cleanup(func() { c.Close() })
	return c
}

// Kill ends the server at once: connections break, nobody is told.
func (s *Server) Kill() {
	s.Proxy.Cut()
	s.etcd.Server.HardStop()
	s.etcd.Close()
	s.etcd = nil
}

// Restart starts the server again, after Kill, with the data it had and at the same endpoint.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.run(t)
	s.Proxy.Restore(t)
}

// DataDir is where the server keeps its data; between Kill and Restart a test may put another state there.
func (s *Server) DataDir() string { return filepath.Join(s.dir, "data") }

func (s *Server) run(t testing.TB) {
	t.Helper()
	c := embed.NewConfig()
	c.Dir = s.DataDir()
	c.ListenPeerUrls = nil
	c.ListenClientUrls = []url.URL{{Scheme: "unix", Path: s.socket()}}
	c.AdvertiseClientUrls = c.ListenClientUrls
	c.TickMs, c.ElectionMs = 10, 100
	c.UnsafeNoFsync = true
	c.EnableGRPCGateway = false
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	e, err := embed.StartEtcd(c)
	if err != nil {
		t.Fatalf("etcd: %v", err)
	}
	select {
	case <-e.Server.ReadyNotify():
		s.etcd = e
	case err := <-e.Err():
		e.Close()
		t.Fatalf("etcd: %v", err)
	case <-time.After(startTimeout):
		e.Close()
		t.Fatalf("etcd is not ready after %s", startTimeout)
	}
}
