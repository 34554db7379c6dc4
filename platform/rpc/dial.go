package rpc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// ClientConfig is how Dial reaches a service. Only Tables is needed.
type ClientConfig struct {
	Tables Tables
	// TLS is used when it is not nil; it holds the certificate with the caller's role.
	TLS *tls.Config
	// Claim is the role that a caller without a certificate claims; servers believe it when they are told to.
	Claim Role
	// Options go to gRPC as they are.
	Options []grpc.DialOption
}

// Dial makes a connection to all replicas of a service: target is host:port, or any target of gRPC's. It
// connects at once and does not wait until one answers. Calls go round the healthy ones, those with a key (WithKey) to the one it belongs to; a new replica is
// found when a server's MaxConnectionAge makes the names be asked again.
func Dial(target string, c ClientConfig) (*grpc.ClientConn, error) {
	creds := insecure.NewCredentials()
	if c.TLS != nil {
		creds = credentials.NewTLS(c.TLS)
	}
	config, err := serviceConfig(c.Tables)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithDefaultServiceConfig(config),
		grpc.WithDisableServiceConfig(), // of the name service
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage)),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second, PermitWithoutStream: true}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 2 * time.Second,
		}),
		grpc.WithChainUnaryInterceptor(c.unary),
		grpc.WithChainStreamInterceptor(c.stream),
		grpc.WithIdleTimeout(0),
	}
	conn, err := grpc.NewClient(target, append(options, c.Options...)...)
	if err != nil {
		return nil, err
	}
	// The first call, and the first after a quiet time, must not pay for the handshake: some wait for milliseconds only.
	conn.Connect()
	return conn, nil
}

// outgoing adds what every call carries.
func (c ClientConfig) outgoing(ctx context.Context) context.Context {
	for k, v := range traced(ctx, nil) {
		ctx = metadata.AppendToOutgoingContext(ctx, k, v[0])
	}
	if c.Claim == "" || c.TLS != nil {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, roleKey, string(c.Claim))
}

func (c ClientConfig) unary(ctx context.Context, full string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	if limit := c.Tables.row(full).deadline; bounds(ctx, limit) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	ctx, span := openSpan(ctx, full)
	attempt := func(ctx context.Context) error { return invoke(ctx, full, req, reply, cc, opts...) }
	if c.Tables.idempotent(full) {
		attempt = again(attempt)
	}
	err := attempt(c.outgoing(ctx))
	closeSpan(span, err)
	return err
}

// again makes a call a second time when half of its time is over without an answer: a paused process keeps its connections,
// and the second attempt goes past the replica that has just been silent.
func again(attempt func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		end, ok := ctx.Deadline()
		if !ok {
			return attempt(ctx)
		}
		half, cancel := context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
		err := attempt(half)
		if status.Code(err) != codes.DeadlineExceeded || ctx.Err() != nil {
			return err
		}
		return attempt(ctx)
	}
}

func (c ClientConfig) stream(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, full string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	cancel := context.CancelFunc(func() {})
	if limit := c.Tables.row(full).deadline; bounds(ctx, limit) {
		ctx, cancel = context.WithTimeout(ctx, limit)
		opts = append(slices.Clip(opts), grpc.OnFinish(func(error) { cancel() }))
	}
	s, err := streamer(c.outgoing(ctx), desc, cc, full, opts...)
	if err != nil {
		cancel()
	}
	return s, err
}

// serviceConfig says in gRPC's own form how calls are balanced and which are tried again.
func serviceConfig(t Tables) (string, error) {
	type name struct {
		Service string `json:"service"`
		Method  string `json:"method,omitempty"`
	}
	type methods struct {
		Name        []name         `json:"name"`
		RetryPolicy map[string]any `json:"retryPolicy"`
	}
	config := map[string]any{
		"loadBalancingConfig": []any{map[string]any{balancerName: map[string]any{}}},
		"healthCheckConfig":   map[string]any{"serviceName": ""},
	}
	again := methods{RetryPolicy: map[string]any{
		"maxAttempts": 3, "initialBackoff": "0.01s", "maxBackoff": "0.2s", "backoffMultiplier": 2,
		"retryableStatusCodes": []string{"UNAVAILABLE"},
	}}
	all := maps.Clone(builtin.Idempotent)
	maps.Copy(all, t.Idempotent)
	for _, full := range slices.Sorted(maps.Keys(all)) {
		service, method, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
		if !all[full] {
			continue
		}
		again.Name = append(again.Name, name{service, strings.TrimSuffix(method, "*")})
	}
	config["methodConfig"] = []methods{again}
	text, err := json.Marshal(config)
	return string(text), err
}
