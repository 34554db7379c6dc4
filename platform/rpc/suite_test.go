package rpc

// One suite for both ways to make a call: over Local and over TCP.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
)

func body(text string) *testpb.Payload { return &testpb.Payload{Body: []byte(text)} }

// wantCode checks the code of an error.
func wantCode(t *testing.T, err error, want codes.Code) {
	t.Helper()
	if got := status.Code(err); got != want {
		t.Errorf("code %v, want %v (%v)", got, want, err)
	}
}

func TestUnaryMessagesAreCopiedBothWays(t *testing.T) {
	var kept *testpb.SimpleRequest
	answer := &testpb.SimpleResponse{Payload: body("answer")}
	srv := &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		kept = proto.Clone(r).(*testpb.SimpleRequest)
		r.Payload.Body[0] = 'X'
		return answer, nil
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		req := &testpb.SimpleRequest{ResponseSize: 7, Payload: body("question")}
		got, err := c.UnaryCall(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(answer, got, protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(req, kept, protocmp.Transform()); diff != "" {
			t.Errorf("the handler saw another message, or wrote into the caller's: %s", diff)
		}
		got.Payload.Body[0] = 'X'
		if string(answer.Payload.Body) != "answer" {
			t.Error("the caller wrote into the handler's message")
		}
	})
}

func TestReplyIsReplaced(t *testing.T) {
	srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Username: "new"}, nil
	}}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			conn := way.connect(t, serve(t, srv, Config{TrustClaims: true}), Edge)
			reply := &testpb.SimpleResponse{Username: "old", Hostname: "old"}
			if err := conn.Invoke(t.Context(), unaryCall, &testpb.SimpleRequest{}, reply); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&testpb.SimpleResponse{Username: "new"}, reply, protocmp.Transform()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStatusWithDetailsCrosses(t *testing.T) {
	sent, err := status.New(codes.NotFound, "no such stage").WithDetails(&errdetails.ErrorInfo{Reason: "NotFoundException", Metadata: map[string]string{"stage": "prod"}})
	if err != nil {
		t.Fatal(err)
	}
	srv := &service{
		unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, sent.Err() },
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			if err := ss.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			return sent.Err()
		},
	}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		_, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
		if diff := cmp.Diff(sent.Proto(), status.Convert(err).Proto(), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
		ss, err := c.FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ss.Recv(); err != nil {
			t.Fatalf("what was sent before the status is lost: %v", err)
		}
		_, err = ss.Recv()
		if diff := cmp.Diff(sent.Proto(), status.Convert(err).Proto(), protocmp.Transform()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestCodesThatCross(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		want   codes.Code
		text   string
		public codes.Code // over an rpc that the world may call
		logged bool
	}{
		{"invalid argument", status.Error(codes.InvalidArgument, "bad"), codes.InvalidArgument, "bad", codes.InvalidArgument, false},
		{"unavailable", status.Error(codes.Unavailable, "etcd is away"), codes.Unavailable, "etcd is away", codes.Unavailable, false},
		{"internal", status.Error(codes.Internal, "chosen text"), codes.Internal, "chosen text", codes.Internal, true},
		{"a code of public faces", status.Error(codes.AlreadyExists, "twice"), codes.Internal, "internal error", codes.AlreadyExists, true},
		{"a plain error", errors.New("etcd: secret"), codes.Internal, "internal error", codes.Internal, true},
		{"unknown", status.Error(codes.Unknown, "?"), codes.Internal, "internal error", codes.Internal, true},
		{"a wrapped status", fmt.Errorf("get: %w", status.Error(codes.NotFound, "inner")), codes.Internal, "internal error", codes.Internal, true},
		{"a deadline within", fmt.Errorf("get: %w", context.DeadlineExceeded), codes.DeadlineExceeded, "context deadline exceeded", codes.DeadlineExceeded, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, tt.err }}
			eachWay(t, srv, func(t *testing.T, r *running, c testpb.TestServiceClient) {
				_, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
				wantCode(t, err, tt.want)
				if got := status.Convert(err).Message(); got != tt.text {
					t.Errorf("text %q, want %q", got, tt.text)
				}
				if logged := strings.Contains(r.log.String(), "rpc failed"); logged != tt.logged {
					t.Errorf("logged: %v\n%s", logged, r.log)
				}
				_, err = c.CacheableUnaryCall(t.Context(), &testpb.SimpleRequest{})
				wantCode(t, err, tt.public)
			})
		})
	}
}

func TestPanicsBecomeInternal(t *testing.T) {
	srv := &service{
		unary:  func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { panic("secret state") },
		duplex: func(testpb.TestService_FullDuplexCallServer) error { panic("secret state") },
	}
	eachWay(t, srv, func(t *testing.T, r *running, c testpb.TestServiceClient) {
		_, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
		ss, err2 := c.FullDuplexCall(t.Context())
		if err2 != nil {
			t.Fatal(err2)
		}
		_, err2 = ss.Recv()
		for _, err := range []error{err, err2} {
			if wantCode(t, err, codes.Internal); strings.Contains(err.Error(), "secret") {
				t.Errorf("the panic leaks: %v", err)
			}
		}
		if n := strings.Count(r.log.String(), "secret state"); n != 2 {
			t.Errorf("logged %d times, want 2", n)
		}
	})
}

func TestMetadataCrossesContextValuesDoNot(t *testing.T) {
	type private struct{}
	srv := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		if _, leaked := metadata.FromOutgoingContext(ctx); leaked || ctx.Value(private{}) != nil {
			return nil, status.Error(codes.InvalidArgument, "a context value crossed")
		}
		if full, _ := grpc.Method(ctx); full != unaryCall {
			return nil, status.Errorf(codes.InvalidArgument, "method %q", full)
		}
		err := errors.Join(
			grpc.SetHeader(ctx, metadata.Pairs("got", strings.Join(md["multi"], "+"))),
			grpc.SendHeader(ctx, metadata.Pairs("bin-bin", md["raw-bin"][0])),
			grpc.SetTrailer(ctx, metadata.Pairs("last", "word")),
		)
		if err == nil && grpc.SetHeader(ctx, metadata.Pairs("too", "late")) == nil {
			err = errors.New("a header was set after it was sent")
		}
		return &testpb.SimpleResponse{Username: strings.Join(md["grpc-secret"], "")}, err
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ctx := context.WithValue(t.Context(), private{}, "x")
		ctx = metadata.AppendToOutgoingContext(ctx, "Multi", "a", "multi", "b", "raw-bin", "\x00\xff")
		var header, trailer metadata.MD
		var p peer.Peer
		finished := 0
		_, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&header), grpc.Trailer(&trailer), grpc.Peer(&p),
			grpc.OnFinish(func(error) { finished++ }))
		if err != nil {
			t.Fatal(err)
		}
		got := []any{header["got"], header["bin-bin"], trailer["last"], finished, p.Addr != nil}
		want := []any{[]string{"a+b"}, []string{"\x00\xff"}, []string{"word"}, 1, true}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTracesCross(t *testing.T) {
	state, err := trace.ParseTraceState("vendor=1")
	if err != nil {
		t.Fatal(err)
	}
	sent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled, TraceState: state})
	var got, streamed trace.SpanContext
	srv := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			got = trace.SpanContextFromContext(ctx)
			return &testpb.SimpleResponse{}, nil
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			streamed = trace.SpanContextFromContext(ss.Context())
			return nil
		},
	}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		for _, want := range []trace.SpanContext{sent, {}} {
			ctx := trace.ContextWithSpanContext(t.Context(), want)
			if _, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			ss, err := c.FullDuplexCall(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ss.Recv(); err != io.EOF {
				t.Fatal(err)
			}
			for _, g := range []trace.SpanContext{got, streamed} {
				if !g.Equal(want.WithRemote(g.IsRemote())) || g.IsValid() && !g.IsRemote() {
					t.Errorf("got %v, want %v", g, want)
				}
			}
		}
	})
}

type creds map[string]string

func (c creds) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if c == nil {
		return nil, errors.New("no key")
	}
	return c, nil
}
func (creds) RequireTransportSecurity() bool { return false }

func TestCallCredentials(t *testing.T) {
	srv := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Username: strings.Join(metadata.ValueFromIncomingContext(ctx, "authorization"), ",")}, nil
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		got, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{}, grpc.PerRPCCredentials(creds{"authorization": "Bearer x"}))
		if err != nil || got.Username != "Bearer x" {
			t.Errorf("%v, %v", got, err)
		}
		_, err = c.UnaryCall(t.Context(), &testpb.SimpleRequest{}, grpc.PerRPCCredentials(creds(nil)))
		wantCode(t, err, codes.Internal)
	})
}

func TestDeadlines(t *testing.T) {
	var left time.Duration
	block := make(chan struct{})
	srv := &service{
		unary: func(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			d, _ := ctx.Deadline()
			left = time.Until(d)
			if r.FillUsername {
				<-ctx.Done()
				block <- struct{}{}
				return nil, ctx.Err()
			}
			return &testpb.SimpleResponse{}, nil
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			if _, ok := ss.Context().Deadline(); ok {
				return errors.New("a stream without a limit has a deadline")
			}
			return nil
		},
	}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		check := func(ctx context.Context, atLeast, atMost time.Duration) {
			t.Helper()
			if _, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}); err != nil {
				t.Fatal(err)
			}
			if left < atLeast || left > atMost {
				t.Errorf("the handler had %v, want %v to %v", left, atLeast, atMost)
			}
		}
		check(t.Context(), 50*time.Second, time.Minute) // the table's
		shorter, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		check(shorter, 20*time.Second, 30*time.Second)
		longer, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		check(longer, 50*time.Second, time.Minute)

		short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		go func() { <-block }()
		_, err := c.UnaryCall(short, &testpb.SimpleRequest{FillUsername: true})
		if wantCode(t, err, codes.DeadlineExceeded); status.Convert(err).Message() != "context deadline exceeded" {
			t.Logf("text: %v", err) // TCP may name the connection's state
		}
		_, err = c.UnaryCall(short, &testpb.SimpleRequest{})
		wantCode(t, err, codes.DeadlineExceeded)

		ss, err := c.FullDuplexCall(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ss.Recv(); err != io.EOF {
			t.Error(err)
		}
	})
}

func TestDeadlineOfTheTableEndsTheCall(t *testing.T) {
	srv := &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		<-ctx.Done()
		return &testpb.SimpleResponse{}, nil // a late success is none
	}}
	tight := tables()
	tight.Deadlines[unaryCall] = 20 * time.Millisecond
	r := serve(t, srv, Config{TrustClaims: true, Tables: tight})
	for _, conn := range []grpc.ClientConnInterface{r.Local(Edge), dial(t, r.addr, ClientConfig{Claim: Edge, Tables: tight})} {
		_, err := testpb.NewTestServiceClient(conn).UnaryCall(t.Context(), &testpb.SimpleRequest{})
		wantCode(t, err, codes.DeadlineExceeded)
	}
}

func TestCancelReachesTheHandler(t *testing.T) {
	started, ended := make(chan struct{}), make(chan struct{})
	srv := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			started <- struct{}{}
			<-ctx.Done()
			ended <- struct{}{}
			return nil, ctx.Err()
		},
		duplex: func(ss testpb.TestService_FullDuplexCallServer) error {
			started <- struct{}{}
			_, err := ss.Recv()
			ended <- struct{}{}
			return err
		},
	}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() { _, err := c.UnaryCall(ctx, &testpb.SimpleRequest{}); result <- err }()
		<-started
		cancel()
		<-ended
		wantCode(t, <-result, codes.Canceled)

		ctx, cancel = context.WithCancel(t.Context())
		ss, err := c.FullDuplexCall(ctx)
		if err != nil {
			t.Fatal(err)
		}
		<-started
		cancel()
		<-ended
		_, err = ss.Recv()
		wantCode(t, err, codes.Canceled)
		if err := ss.Send(&testpb.StreamingOutputCallRequest{}); err == nil {
			t.Error("sent on a cancelled stream")
		}
	})
}

func TestRoles(t *testing.T) {
	srv := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Username: string(Caller(ctx))}, nil
		},
		empty:  func(context.Context) error { return nil },
		duplex: func(testpb.TestService_FullDuplexCallServer) error { return nil },
	}
	tests := []struct {
		role                    Role
		unary, empty, cacheable codes.Code
	}{
		{Edge, codes.OK, codes.OK, codes.OK},
		{Admin, codes.OK, codes.PermissionDenied, codes.OK},
		{Cache, codes.PermissionDenied, codes.PermissionDenied, codes.OK},
		{"", codes.PermissionDenied, codes.PermissionDenied, codes.OK},
		{Anyone, codes.PermissionDenied, codes.PermissionDenied, codes.OK},
	}
	for _, way := range ways {
		for _, tt := range tests {
			t.Run(way.name+"/"+string(tt.role), func(t *testing.T) {
				c := testpb.NewTestServiceClient(way.connect(t, serve(t, srv, Config{TrustClaims: true}), tt.role))
				got, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
				if wantCode(t, err, tt.unary); err == nil && got.Username != string(tt.role) {
					t.Errorf("the handler saw the role %q", got.Username)
				}
				_, err = c.EmptyCall(t.Context(), &testpb.Empty{})
				wantCode(t, err, tt.empty)
				_, err = c.CacheableUnaryCall(t.Context(), &testpb.SimpleRequest{})
				wantCode(t, err, tt.cacheable)
				ss, err := c.FullDuplexCall(t.Context())
				if err == nil {
					_, err = ss.Recv()
				}
				if err == io.EOF {
					err = nil
				}
				wantCode(t, err, tt.unary)
			})
		}
	}
}

func TestUnknownMethods(t *testing.T) {
	tests := []struct{ full, want string }{
		{"/grpc.testing.TestService/Nope", "unknown method Nope for service grpc.testing.TestService"},
		{"/grpc.testing.Nope/UnaryCall", "unknown service grpc.testing.Nope"},
	}
	for _, way := range ways {
		conn := way.connect(t, serve(t, &service{}, Config{TrustClaims: true}), Edge)
		for _, tt := range tests {
			t.Run(way.name+tt.full, func(t *testing.T) {
				err := conn.Invoke(t.Context(), tt.full, &testpb.Empty{}, &testpb.Empty{})
				if wantCode(t, err, codes.Unimplemented); status.Convert(err).Message() != tt.want {
					t.Errorf("%v, want %s", err, tt.want)
				}
			})
		}
	}
}

func TestBigMessages(t *testing.T) {
	size := 0
	srv := &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: make([]byte, size)}}, nil
	}}
	eachWay(t, srv, func(t *testing.T, _ *running, c testpb.TestServiceClient) {
		size = MaxMessage - 100
		if _, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, size)}}); err != nil {
			t.Error(err)
		}
		size = MaxMessage + 1
		_, err := c.UnaryCall(t.Context(), &testpb.SimpleRequest{})
		wantCode(t, err, codes.ResourceExhausted)
		_, err = c.UnaryCall(t.Context(), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, size)}})
		wantCode(t, err, codes.ResourceExhausted)
	})
	const document, payload = 6 << 20, 10 << 20
	if document > MaxMessage || payload > MaxMessage {
		t.Errorf("a message holds %d bytes: too few for an import or a payload", MaxMessage)
	}
}

func TestNilAnswer(t *testing.T) {
	srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return nil, nil }}
	r := serve(t, srv, Config{})
	_, err := testpb.NewTestServiceClient(r.Local(Edge)).UnaryCall(t.Context(), &testpb.SimpleRequest{})
	wantCode(t, err, codes.Internal)
}
