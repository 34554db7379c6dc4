// Package admin is the control plane: every operation once, on two faces (gRPC and AWS's REST form), drafts and history in
// etcd, and the published configuration that everybody else follows. It alone reads and writes etcd.
package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/platform/awsjson"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/seal"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	"github.com/limen-gateway/limen/services/admin/internal/apigateway"
	"github.com/limen-gateway/limen/services/admin/internal/apigatewayv2"
	"github.com/limen-gateway/limen/services/admin/internal/deploy"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
	"github.com/limen-gateway/limen/services/admin/internal/management"
	"github.com/limen-gateway/limen/services/admin/internal/operator"
	"github.com/limen-gateway/limen/services/admin/internal/wire"
)

// Config is what an operator sets. Every zero value is usable.
type Config struct {
	// Regions that signatures may name; empty takes all.
	Regions []string
	// Region of gRPC callers that name none.
	Region string
	// AllowUnknownMembers lets members pass that the models do not know, instead of refusing them by name.
	AllowUnknownMembers bool
	// HoldUntilServed holds answers that changed published state until the edges of this process serve it.
	HoldUntilServed bool
}

// Deps is what admin calls.
type Deps struct {
	Etcd *clientv3.Client
	// RootKeys has a key for each account.
	RootKeys []rootkeys.Key
	// Seal keeps the values of API keys at rest; nil when the installation has no master key, and then none can be stored.
	Seal *seal.Keyring
	// Edges finds the edge behind the address it reported.
	Edges func(address string) (edgev1.EdgeClient, error)
	// Lambda answers invocations for a caller's region and account; nil, or a nil handler, where no functions host is in the
	// process.
	Lambda func(region, account string) http.Handler
	// Metering reads and extends usage; nil where nothing counts.
	Metering Metering
	// Connections asks the owners of WebSocket connections; nil where none can be reached.
	Connections management.Asker
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	Log *slog.Logger
}

// Metering is what admin asks of metering.
type Metering = apigateway.Metering

// Service is the control plane of one process.
type Service struct {
	config Config
	deps   Deps
	keys   identity.Keys
	table  *awsjson.Table
	store  *draft.Store

	apis     *apigateway.Service
	operator *operator.Service
	follow   *deploy.Config
	opened   chan struct{} // closed when the store is open
}

// New makes a service that does nothing yet.
func New(config Config, deps Deps) (*Service, error) {
	if len(deps.RootKeys) == 0 {
		return nil, errors.New("admin: no root access keys: nobody could call")
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	if config.Region == "" {
		config.Region = "us-east-1"
	}
	var options []awsjson.Option
	if config.AllowUnknownMembers {
		options = append(options, awsjson.Lenient())
	}
	table, err := awsjson.NewTable(options...)
	if err != nil {
		return nil, fmt.Errorf("admin: %w", err)
	}
	s := &Service{config: config, deps: deps, keys: identity.NewKeys(deps.RootKeys), table: table, opened: make(chan struct{})}
	s.store = draft.New(deps.Etcd, deps.Now, randomID)
	s.apis = apigateway.New(s.store, deps.Seal)
	if deps.Metering != nil {
		s.apis.WithMetering(deps.Metering)
	}
	s.follow = deploy.NewConfig(s.store, deps.Log)
	s.operator = operator.New(s.store, s.follow, deps.Edges, deps.Log)
	return s, nil
}

// Register adds the services that admin answers.
func (s *Service) Register(r grpc.ServiceRegistrar) {
	adminv1.RegisterApiGatewayServer(r, s.apis)
	adminv1.RegisterApiGatewayV2Server(r, apigatewayv2.New(s.store))
	adminv1.RegisterApiGatewayManagementApiServer(r, management.New(s.deps.Connections))
	adminv1.RegisterAdminServer(r, s.operator)
	configv1.RegisterConfigServer(r, s.follow)
}

// publicServices begin the methods that callers from outside prove themselves for.
const publicServices = "/limen.admin.v1."

// Interceptors prove callers of the gRPC face by their tokens and turn faults into statuses; they belong on the server that
// Register is called with.
func (s *Service) Interceptors() []grpc.UnaryServerInterceptor {
	return []grpc.UnaryServerInterceptor{s.keys.Tokens(publicServices, s.config.Region, s.deps.Now), faults}
}

// faults turns the fault of an operation into a status whose reason is AWS's exception name.
func faults(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	res, err := handler(ctx, req)
	if f := fault.As(err); f != nil {
		return nil, awsjson.ToStatus(f)
	}
	if isUnbuilt(err) {
		return nil, awsjson.ToStatus(fault.NotImplemented(operationOf(info.FullMethod)))
	}
	return res, err
}

// Handler is the REST face; operations is a connection to the server that Register was called with, for the role admin.
func (s *Service) Handler(operations grpc.ClientConnInterface) http.Handler {
	c := wire.Config{Table: s.table, Operations: operations, Keys: s.keys, Now: s.deps.Now, NewID: uuid, Log: s.deps.Log, Regions: s.config.Regions, Lambda: s.deps.Lambda}
	if s.config.HoldUntilServed {
		c.Settled = s.follow.Settled
	}
	return wire.New(c)
}

// Run opens the store and follows it until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.store.Open(ctx); err != nil {
		return fmt.Errorf("admin: %w", err)
	}
	close(s.opened)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.follow.Run(ctx) })
	g.Go(func() error { return s.tend(ctx) })
	return g.Wait()
}

// Ready is closed when the store is open.
func (s *Service) Ready() <-chan struct{} { return s.opened }

// tendInterval is how often the store is tended.
const tendInterval = 10 * time.Minute

// tend removes what dead writers left behind, and seals anew what an older master key sealed, until ctx ends. An admin that
// has not yet read the new key file may seal with the older key still: so not at the start alone.
func (s *Service) tend(ctx context.Context) error {
	for {
		n, err := s.store.Collect(ctx)
		s.tended(ctx, "abandoned generations collected", n, err)
		if s.deps.Seal != nil {
			n, err = s.store.Reseal(ctx, s.deps.Seal)
			s.tended(ctx, "secrets sealed anew with the first key of the master key file", n, err)
		}
		if !run.Pause(ctx, tendInterval) {
			return nil
		}
	}
}

func (s *Service) tended(ctx context.Context, done string, n int, err error) {
	if n > 0 {
		s.deps.Log.Info(done, "count", n)
	}
	if err != nil && ctx.Err() == nil {
		s.deps.Log.Warn("the store is not tended; tried again later", "error", err)
	}
}

const idLetters = "abcdefghijklmnopqrstuvwxyz0123456789"

// randomID makes an id of [a-z0-9].
func randomID(length int) string {
	b := make([]byte, length)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	for i := range b {
		b[i] = idLetters[int(b[i])%len(idLetters)]
	}
	return string(b)
}

// uuid makes a random UUID, version 4.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
