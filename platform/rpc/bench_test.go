package rpc

import (
	"context"
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// BenchmarkUnary compares a call of 512 bytes over Local and over loopback.
func BenchmarkUnary(b *testing.B) {
	answer := &testpb.SimpleResponse{Username: "x"}
	srv := &service{unary: func(context.Context, *testpb.SimpleRequest) (*testpb.SimpleResponse, error) { return answer, nil }}
	req := &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, 512)}}
	for _, way := range ways {
		b.Run(way.name, func(b *testing.B) {
			c := testpb.NewTestServiceClient(way.connect(b, serve(b, srv, Config{TrustClaims: true}), Edge))
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.UnaryCall(ctx, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
