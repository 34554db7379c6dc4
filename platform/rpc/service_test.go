package rpc

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	testpb "google.golang.org/grpc/interop/grpc_testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	unaryCall  = "/grpc.testing.TestService/UnaryCall"
	emptyCall  = "/grpc.testing.TestService/EmptyCall"
	cacheable  = "/grpc.testing.TestService/CacheableUnaryCall"
	duplexCall = "/grpc.testing.TestService/FullDuplexCall"
)

// tables rule the test service: emptyCall is for edges alone, cacheable is open to the world.
func tables() Tables {
	return Tables{
		Deadlines: map[string]time.Duration{
			"/grpc.testing.TestService/*": time.Minute,
			duplexCall:                    NoDeadline,
		},
		Callers: map[string][]Role{
			"/grpc.testing.TestService/*": {Edge, Admin},
			emptyCall:                     {Edge},
			cacheable:                     {Anyone},
		},
	}
}

// service answers as each test tells it.
type service struct {
	testpb.UnimplementedTestServiceServer
	unary  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error)
	empty  func(context.Context) error
	output func(*testpb.StreamingOutputCallRequest, testpb.TestService_StreamingOutputCallServer) error
	input  func(testpb.TestService_StreamingInputCallServer) error
	duplex func(testpb.TestService_FullDuplexCallServer) error
}

func (s *service) UnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) CacheableUnaryCall(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return s.unary(ctx, r)
}

func (s *service) EmptyCall(ctx context.Context, _ *testpb.Empty) (*testpb.Empty, error) {
	return &testpb.Empty{}, s.empty(ctx)
}

func (s *service) StreamingOutputCall(r *testpb.StreamingOutputCallRequest, ss testpb.TestService_StreamingOutputCallServer) error {
	return s.output(r, ss)
}

func (s *service) StreamingInputCall(ss testpb.TestService_StreamingInputCallServer) error {
	return s.input(ss)
}

func (s *service) FullDuplexCall(ss testpb.TestService_FullDuplexCallServer) error {
	return s.duplex(ss)
}

// logBook is a log that tests read.
type logBook struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// running is a server under test.
type running struct {
	*Server
	log  *logBook
	addr string
	stop func() error
}

// serve starts a server for srv on loopback; it ends with the test.
func serve(t testing.TB, srv testpb.TestServiceServer, c Config) *running {
	t.Helper()
	r := &running{log: &logBook{}}
	if c.Tables.Callers == nil {
		c.Tables = tables()
	}
	c.Log = slog.New(slog.NewTextHandler(r.log, nil))
	r.Server = NewServer(c)
	testpb.RegisterTestServiceServer(r.Server, srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	r.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// ways are the two ways to reach a server, with a role.
var ways = []struct {
	name    string
	connect func(t testing.TB, r *running, role Role) grpc.ClientConnInterface
}{
	{"local", func(_ testing.TB, r *running, role Role) grpc.ClientConnInterface { return r.Local(role) }},
	{"tcp", func(t testing.TB, r *running, role Role) grpc.ClientConnInterface {
		return dial(t, r.addr, ClientConfig{Claim: role})
	}},
}

func dial(t testing.TB, target string, c ClientConfig) *grpc.ClientConn {
	t.Helper()
	if c.Tables.Callers == nil {
		c.Tables = tables()
	}
	conn, err := Dial(target, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// eachWay runs a test over Local and over TCP.
func eachWay(t *testing.T, srv *service, test func(t *testing.T, r *running, c testpb.TestServiceClient)) {
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			r := serve(t, srv, Config{TrustClaims: true})
			test(t, r, testpb.NewTestServiceClient(way.connect(t, r, Edge)))
		})
	}
}
