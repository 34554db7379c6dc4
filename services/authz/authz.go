// Package authz answers who may: it asks Lambda authorizers, keeps their results, and evaluates the policies they answer
// with. The definition of an authorizer travels with the question, so authz follows nothing and holds no state but caches.
//
// It does not know methods or stages, and it does not answer clients. The surprise: a kept policy is evaluated again for
// every request, since it may allow one method and not another (spec/rest.md 3.4).
package authz

import (
	"context"
	"log/slog"
	"time"

	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rootkeys"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/authz/internal/authorizer"
)

// Config is what an operator sets. Every zero value is usable.
type Config struct {
	// CacheBytes bounds the results that are kept; 0 is 64 MiB.
	CacheBytes int64
	// HideCanonical leaves out of the answer to a signature that does not match what should have been signed. AWS tells it; it
	// repeats all signed headers.
	HideCanonical bool
}

// Invoker invokes functions by ARN. Its errors are *functions.Error.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte, o functions.Options) (functions.Result, error)
}

// Deps is what authz calls.
type Deps struct {
	// RootKeys prove signatures; without them every signature is refused.
	RootKeys  []rootkeys.Key
	Functions Invoker
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	Log *slog.Logger
}

// Service answers authorization questions. It is safe for concurrent use.
type Service struct {
	authzv1.UnimplementedAuthzServer
	authorizers *authorizer.Authorizers
	keys        map[string]rootkeys.Key
	now         func() time.Time

	hideCanonical bool
}

// New makes a service that does nothing yet.
func New(c Config, d Deps) (*Service, error) {
	if d.Now == nil {
		d.Now = time.Now
	}
	a, err := authorizer.New(authorizer.Config{CacheBytes: c.CacheBytes, Functions: d.Functions, Now: d.Now, Log: d.Log})
	if err != nil {
		return nil, err
	}
	keys := map[string]rootkeys.Key{}
	for _, k := range d.RootKeys {
		keys[k.AccessKeyID] = k
	}
	return &Service{authorizers: a, keys: keys, now: d.Now, hideCanonical: c.HideCanonical}, nil
}

// Register adds the service to a server.
func (s *Service) Register(r grpc.ServiceRegistrar) { authzv1.RegisterAuthzServer(r, s) }

// Authorize decides whether an authorizer lets a request pass.
func (s *Service) Authorize(ctx context.Context, req *authzv1.AuthorizeRequest) (*authzv1.AuthorizeResponse, error) {
	return s.authorizers.Decide(ctx, req)
}

// Run waits until ctx ends; questions are answered on their callers' goroutines.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
