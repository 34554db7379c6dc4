package rpc

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/status"
)

const (
	// balancerName is round robin over healthy replicas that passes by the ones that do not answer.
	balancerName = "limen_round_robin"
	// retrial is how often a replica that did not answer is tried again.
	retrial = time.Second
)

// gRPC's registries may be written only while the program's packages are initialised.
var _ = register()

func register() bool {
	balancer.Register(roundRobin{})
	dns.SetMinResolutionInterval(time.Second)
	return true
}

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

// Dial makes a connection to all replicas of a service: target is host:port, or any target of gRPC's. It does not wait
// until one answers. Calls go round the healthy ones; a new replica is found when a server's MaxConnectionAge makes the
// names be asked again.
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
	}
	return grpc.NewClient(target, append(options, c.Options...)...)
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
	err := invoke(c.outgoing(ctx), full, req, reply, cc, opts...)
	closeSpan(span, err)
	return err
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

// roundRobin builds a balancer for each connection, so that what it learns of replicas is the connection's own.
type roundRobin struct{}

func (roundRobin) Name() string { return balancerName }

func (roundRobin) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	return base.NewBalancerBuilder(balancerName, &pickers{silent: map[string]*silence{}}, base.Config{HealthCheck: true}).Build(cc, o)
}

// silence remembers when a replica last failed to answer; it outlives the replica's connections.
type silence struct{ until atomic.Int64 } // nanoseconds since start

// pickers makes a picker whenever the set of connected replicas changes.
type pickers struct {
	mu     sync.Mutex // guards silent
	silent map[string]*silence
}

type replica struct {
	conn   balancer.SubConn
	silent *silence
}

// picker goes round the replicas.
type picker struct {
	replicas []replica
	next     atomic.Uint32
}

func (p *pickers) Build(info base.PickerBuildInfo) balancer.Picker {
	if len(info.ReadySCs) == 0 {
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	out := &picker{}
	known := map[string]*silence{}
	for conn, sc := range info.ReadySCs {
		addr := sc.Address.Addr
		known[addr] = p.silent[addr]
		if known[addr] == nil {
			known[addr] = &silence{}
		}
		out.replicas = append(out.replicas, replica{conn, known[addr]})
	}
	// Replicas that are away for a moment keep what is known of them, within bounds.
	for addr, s := range p.silent {
		if known[addr] == nil && len(known) < 2*len(info.ReadySCs)+8 {
			known[addr] = s
		}
	}
	p.silent = known
	return out
}

var start = time.Now()

// Pick takes the next replica. One whose last call timed out is passed by for a second, then gets one call to prove
// itself; when all are silent the next is taken anyway.
func (p *picker) Pick(balancer.PickInfo) (balancer.PickResult, error) {
	now := int64(time.Since(start))
	n := uint32(len(p.replicas))
	first := p.next.Add(1)
	chosen := p.replicas[first%n]
	for i := range n {
		r := p.replicas[(first+i)%n]
		until := r.silent.until.Load()
		// The one that moves the mark is the one that tries.
		if until == 0 || now >= until && r.silent.until.CompareAndSwap(until, now+int64(retrial)) {
			chosen = r
			break
		}
	}
	return balancer.PickResult{SubConn: chosen.conn, Done: chosen.done}, nil
}

func (r replica) done(d balancer.DoneInfo) {
	if status.Code(d.Err) == codes.DeadlineExceeded && !d.BytesReceived {
		r.silent.until.Store(int64(time.Since(start) + retrial))
		return
	}
	if d.BytesReceived {
		r.silent.until.Store(0)
	}
}
