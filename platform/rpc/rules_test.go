package rpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

func TestCheck(t *testing.T) {
	if err := tables().Check(&testpb.TestService_ServiceDesc); err != nil {
		t.Errorf("complete tables: %v", err)
	}
	holes := Tables{
		Deadlines: map[string]time.Duration{
			unaryCall: time.Second, "/grpc.testing.TestService/Gone": time.Second, "/other.Service/Get": time.Second,
		},
		Callers:    map[string][]Role{"/grpc.testing.UnimplementedService/*": {Edge}, "/grpc.testing.UnimplementedService/UnimplementedCall": {}},
		Idempotent: map[string]bool{"/grpc.testing.UnimplementedService/Gone": true},
	}
	err := holes.Check(&testpb.UnimplementedService_ServiceDesc)
	want := `/grpc.testing.UnimplementedService/UnimplementedCall has no row in Callers
/grpc.testing.UnimplementedService/UnimplementedCall has no row in Deadlines
Idempotent has the row /grpc.testing.UnimplementedService/Gone, which is no rpc`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	err = holes.Check(&testpb.TestService_ServiceDesc)
	if err == nil || !strings.Contains(err.Error(), "Deadlines has the row /grpc.testing.TestService/Gone, which is no rpc") {
		t.Errorf("stale row: %v", err)
	}
}

func TestWithoutARowNobodyCalls(t *testing.T) {
	srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}
	half := []Tables{
		{Callers: map[string][]Role{unaryCall: {Edge, Anyone}}},
		{Callers: map[string][]Role{}, Deadlines: map[string]time.Duration{unaryCall: time.Second}},
	}
	for _, tab := range half {
		r := serve(t, srv, Config{Tables: tab})
		_, err := testpb.NewTestServiceClient(r.Local(Edge)).UnaryCall(t.Context(), &testpb.SimpleRequest{})
		wantCode(t, err, codes.PermissionDenied)
	}
}

func TestClaimsAreBelievedOnlyWhenToldTo(t *testing.T) {
	srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{}, nil
	}}
	r := serve(t, srv, Config{})
	_, err := testpb.NewTestServiceClient(dial(t, r.addr, ClientConfig{Claim: Edge})).UnaryCall(t.Context(), &testpb.SimpleRequest{})
	wantCode(t, err, codes.PermissionDenied)
}

// authority signs certificates for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

func (a *authority) issue(t *testing.T, uris ...string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	for _, u := range uris {
		parsed, err := url.Parse(u)
		if err != nil {
			t.Fatal(err)
		}
		template.URIs = append(template.URIs, parsed)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestRoleComesFromTheCertificate(t *testing.T) {
	ca := newAuthority(t)
	srv := &service{empty: func(context.Context) error { return nil }}
	r := serve(t, srv, Config{TrustClaims: true, TLS: credentials.NewTLS(&tls.Config{
		Certificates: []tls.Certificate{ca.issue(t, "limen://role/admin")}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool,
	})})
	tests := []struct {
		name string
		cert []tls.Certificate
		want codes.Code
	}{
		{"edge", []tls.Certificate{ca.issue(t, "spiffe://x/y", "limen://role/edge")}, codes.OK},
		{"another role", []tls.Certificate{ca.issue(t, "limen://role/cache")}, codes.PermissionDenied},
		{"two roles", []tls.Certificate{ca.issue(t, "limen://role/edge", "limen://role/admin")}, codes.PermissionDenied},
		{"anyone is no role", []tls.Certificate{ca.issue(t, "limen://role/*")}, codes.PermissionDenied},
		{"no role", []tls.Certificate{ca.issue(t)}, codes.PermissionDenied},
		{"no certificate", nil, codes.PermissionDenied},
		{"another authority", []tls.Certificate{newAuthority(t).issue(t, "limen://role/edge")}, codes.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn := dial(t, r.addr, ClientConfig{TLS: &tls.Config{Certificates: tt.cert, RootCAs: ca.pool}})
			ctx := metadata.AppendToOutgoingContext(t.Context(), roleKey, string(Edge)) // a claim beside TLS is nothing
			_, err := testpb.NewTestServiceClient(conn).EmptyCall(ctx, &testpb.Empty{})
			wantCode(t, err, tt.want)
		})
	}
}

func TestOwnInterceptorsRunAfterTheRules(t *testing.T) {
	var seen []string
	srv := &service{
		empty:  func(context.Context) error { seen = append(seen, "handler"); return nil },
		duplex: func(testpb.TestService_FullDuplexCallServer) error { seen = append(seen, "stream handler"); return nil },
	}
	config := Config{
		Unary: []grpc.UnaryServerInterceptor{
			func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				seen = append(seen, "one "+string(Caller(ctx)))
				return h(ctx, req)
			},
			func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				seen = append(seen, "two")
				return h(ctx, req)
			},
		},
		Stream: []grpc.StreamServerInterceptor{
			func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
				seen = append(seen, "stream "+string(Caller(ss.Context())))
				return h(srv, ss)
			},
		},
	}
	r := serve(t, srv, config)
	for _, role := range []Role{Cache, Edge} {
		c := testpb.NewTestServiceClient(r.Local(role))
		_, _ = c.EmptyCall(t.Context(), &testpb.Empty{})
		if ss, err := c.FullDuplexCall(t.Context()); err == nil {
			_, _ = ss.Recv()
		}
	}
	if got := strings.Join(seen, ", "); got != "one edge, two, handler, stream edge, stream handler" {
		t.Error(got)
	}
}

func TestReflectionNeedsTLSOrLoopback(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = NewServer(Config{Reflection: true}).Serve(t.Context(), l)
	if err == nil || !strings.Contains(err.Error(), "needs TLS or a loopback address") {
		t.Errorf("error %v", err)
	}
	r := serve(t, &service{}, Config{Reflection: true})
	ss, err := reflectionpb.NewServerReflectionClient(dial(t, r.addr, ClientConfig{})).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}
	if err := ss.Send(ask); err != nil {
		t.Fatal(err)
	}
	answer, err := ss.Recv()
	if err != nil || !strings.Contains(answer.String(), "grpc.testing.TestService") {
		t.Errorf("%v, %v", answer, err)
	}
}

// TestServeHTTPBelievesNobody: what comes from another HTTP server comes from the world, whatever role it claims or its
// certificate names there.
func TestServeHTTPBelievesNobody(t *testing.T) {
	srv := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Username: string(Caller(ctx))}, nil
		},
		empty: func(context.Context) error { return nil },
	}
	r := serve(t, srv, Config{TrustClaims: true})
	ca := newAuthority(t)
	fronts := map[string]struct{ server, client *tls.Config }{
		"plaintext": {},
		"TLS": {
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t)}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.pool, NextProtos: []string{"h2"}},
			&tls.Config{Certificates: []tls.Certificate{ca.issue(t, "limen://role/edge")}, RootCAs: ca.pool},
		},
	}
	for name, c := range fronts {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			protocols := new(http.Protocols)
			protocols.SetHTTP2(c.server != nil)
			protocols.SetUnencryptedHTTP2(c.server == nil)
			front := &http.Server{Handler: r.Server, Protocols: protocols}
			if c.server != nil {
				l = tls.NewListener(l, c.server)
			}
			go front.Serve(l)
			defer front.Close()
			client := testpb.NewTestServiceClient(dial(t, l.Addr().String(), ClientConfig{Claim: Edge, TLS: c.client}))
			if res, err := client.CacheableUnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil || res.Username != "" {
				t.Errorf("a call for the world: role %q, %v", res.GetUsername(), err)
			}
			_, err = client.EmptyCall(t.Context(), &testpb.Empty{})
			wantCode(t, err, codes.PermissionDenied)
		})
	}
}

// replicas starts n servers that answer with their number, and a client that knows all of them.
func replicas(t *testing.T, n int, answer func(i int) error) ([]*running, testpb.TestServiceClient) {
	t.Helper()
	tab := tables()
	tab.Idempotent = map[string]bool{unaryCall: true}
	names := manual.NewBuilderWithScheme("test")
	var state resolver.State
	var servers []*running
	for i := range n {
		srv := &service{
			unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
				return &testpb.SimpleResponse{Hostname: fmt.Sprint(i)}, answer(i)
			},
			empty: func(context.Context) error { return answer(i) },
		}
		r := serve(t, srv, Config{TrustClaims: true, StopTimeout: time.Millisecond})
		servers = append(servers, r)
		state.Addresses = append(state.Addresses, resolver.Address{Addr: r.addr})
	}
	names.InitialState(state)
	conn := dial(t, "test:///svc", ClientConfig{Tables: tab, Claim: Edge, Options: []grpc.DialOption{grpc.WithResolvers(names)}})
	return servers, testpb.NewTestServiceClient(conn)
}

// until calls until the answers of a round of calls are the wanted ones.
func until(t *testing.T, c testpb.TestServiceClient, want string) {
	t.Helper()
	var got string
	for t.Context().Err() == nil {
		seen := map[string]bool{}
		for range 8 {
			m, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
			if err != nil {
				t.Fatal(err)
			}
			seen[m.Hostname] = true
		}
		got = ""
		for i := range 3 {
			if seen[fmt.Sprint(i)] {
				got += fmt.Sprint(i)
			}
		}
		if got == want {
			return
		}
	}
	t.Fatalf("answers come from %s, want %s", got, want)
}

func TestCallsGoRoundTheHealthyReplicas(t *testing.T) {
	servers, c := replicas(t, 3, func(int) error { return nil })
	until(t, c, "012")
	servers[1].SetServing(false)
	until(t, c, "02")
	servers[1].SetServing(true)
	until(t, c, "012")
	if err := servers[0].stop(); err != nil {
		t.Fatal(err)
	}
	until(t, c, "12")
}

func TestIdempotentCallsAreTriedOnAnotherReplica(t *testing.T) {
	var failed atomic.Int32
	_, c := replicas(t, 2, func(i int) error {
		if i == 0 {
			failed.Add(1)
			return errStopping
		}
		return nil
	})
	for failed.Load() == 0 {
		if _, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	before := failed.Load()
	var err error
	for failed.Load() == before {
		_, err = c.EmptyCall(t.Context(), &testpb.Empty{})
	}
	wantCode(t, err, codes.Unavailable) // not idempotent: told to the caller
}

// TestCallsWithAKey: they go to one replica; when that is silent, what may be made twice is answered by another in time.
func TestCallsWithAKey(t *testing.T) {
	var silent atomic.Int32
	silent.Store(-1)
	over := make(chan struct{})
	_, c := replicas(t, 3, func(i int) error {
		if silent.Load() == int32(i) {
			<-over // whatever its caller wants, as a paused process
		}
		return nil
	})
	t.Cleanup(func() { close(over) })
	until(t, c, "012")
	ask := func() string {
		ctx, cancel := context.WithTimeout(WithKey(t.Context(), "a", "key"), 10*time.Second)
		defer cancel()
		m, err := c.UnaryCall(ctx, &testpb.SimpleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		return m.Hostname
	}
	owner := ask()
	for range 10 {
		if got := ask(); got != owner {
			t.Errorf("replica %s, want %s", got, owner)
		}
	}
	n, _ := strconv.Atoi(owner)
	silent.Store(int32(n))
	if got := ask(); got == owner {
		t.Errorf("%s answers while it is silent", got)
	}
}

// TestSilentReplicaOfACallThatIsMadeOnce: its caller learns that the time is over, and nobody else is asked.
func TestSilentReplicaOfACallThatIsMadeOnce(t *testing.T) {
	over := make(chan struct{})
	var asked atomic.Int32
	_, c := replicas(t, 2, func(int) error {
		asked.Add(1)
		<-over
		return nil
	})
	t.Cleanup(func() { close(over) })
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := c.EmptyCall(ctx, &testpb.Empty{})
	wantCode(t, err, codes.DeadlineExceeded)
	if n := asked.Load(); n > 1 {
		t.Errorf("%d replicas were asked", n)
	}
}

func TestHealthIsAnswered(t *testing.T) {
	for _, way := range ways {
		r := serve(t, &service{}, Config{})
		c := healthpb.NewHealthClient(way.connect(t, r, ""))
		got, err := c.Check(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil || got.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%s: %v, %v", way.name, got, err)
		}
	}
}
