// Package authorizer asks Lambda authorizers and judges their answers: identity values and function in, verdict out.
// Results are kept as long as the authorizer's definition says; several requests that miss the same result at once make
// one invocation.
package authorizer

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/sync/singleflight"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/policy"
	"github.com/limen-gateway/limen/platform/functions"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
)

const (
	defaultCacheBytes = 64 << 20
	maxDefinitions    = 10_000
	// timeout of an authorizer's function: the integration maximum (spec/rest.md 3.5).
	timeout = 29 * time.Second
	// defaultTTL of a definition that has none.
	defaultTTL = 300 * time.Second
)

// Invoker invokes functions by ARN. Its errors are *functions.Error.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte, o functions.Options) (functions.Result, error)
}

// Config is what New needs.
type Config struct {
	CacheBytes int64
	Functions  Invoker
	Now        func() time.Time
	Log        *slog.Logger
}

// Authorizers decides. It is safe for concurrent use.
type Authorizers struct {
	config      Config
	definitions *otter.Cache[hash, *apigatewayv1.Authorizer]
	results     *otter.Cache[hash, *result]
	flights     singleflight.Group
}

type hash [sha256.Size]byte

// result is an authorizer's answer, ready to be evaluated. It is immutable.
type result struct {
	answer  event.AuthorizerResult
	policy  *policy.Policy
	latency time.Duration
	expires time.Time
}

// size is about what a result takes.
func (r *result) size() uint32 {
	n := 512 + 2*len(r.answer.Policy) + len(r.answer.PrincipalID) + len(r.answer.UsageKey)
	for _, f := range r.answer.Context {
		n += len(f.Name) + len(f.Value) + 32
	}
	return uint32(n)
}

// New makes an empty one.
func New(c Config) (*Authorizers, error) {
	if c.CacheBytes == 0 {
		c.CacheBytes = defaultCacheBytes
	}
	definitions, err := otter.New(&otter.Options[hash, *apigatewayv1.Authorizer]{MaximumSize: maxDefinitions})
	if err != nil {
		return nil, fmt.Errorf("authorizer: %w", err)
	}
	results, err := otter.New(&otter.Options[hash, *result]{MaximumWeight: uint64(c.CacheBytes), Weigher: func(_ hash, r *result) uint32 { return r.size() }})
	if err != nil {
		return nil, fmt.Errorf("authorizer: %w", err)
	}
	return &Authorizers{config: c, definitions: definitions, results: results}, nil
}

// Decide answers one question. Its error is a gRPC status: only a malformed question is one.
func (a *Authorizers) Decide(ctx context.Context, req *authzv1.AuthorizeRequest) (*authzv1.AuthorizeResponse, error) {
	if len(req.DefinitionHash) != sha256.Size {
		return nil, status.Error(codes.InvalidArgument, "definition_hash must be a SHA-256")
	}
	id := hash(req.DefinitionHash)
	if req.Authorizer != nil {
		a.definitions.Set(id, req.Authorizer)
	}
	definition := req.Authorizer
	if definition == nil {
		var known bool
		if definition, known = a.definitions.GetIfPresent(id); !known {
			return &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_DEFINITION_NEEDED}, nil
		}
	}
	r, cached, err := a.result(ctx, definition, req)
	if err != nil {
		return a.refusal(err), nil
	}
	return judge(r, cached, req), nil
}

// ttlOf is how long results of a definition are kept.
func ttlOf(d *apigatewayv1.Authorizer) time.Duration {
	if d.AuthorizerResultTtlInSeconds == nil {
		return defaultTTL
	}
	return time.Duration(d.GetAuthorizerResultTtlInSeconds()) * time.Second
}

// result finds what the authorizer answers for the identity of a request: kept, or by asking it.
func (a *Authorizers) result(ctx context.Context, d *apigatewayv1.Authorizer, req *authzv1.AuthorizeRequest) (r *result, cached bool, err error) {
	ttl := ttlOf(d)
	if ttl == 0 {
		r, err = a.invoke(ctx, req)
		return r, false, err
	}
	key := keyOf(req)
	if r := a.kept(key); r != nil {
		return r, true, nil
	}
	v, err, _ := a.flights.Do(string(key[:]), func() (any, error) {
		if r := a.kept(key); r != nil {
			return r, nil // another flight has ended since the look above
		}
		// The first caller may go away; the others still want the answer.
		r, err := a.invoke(context.WithoutCancel(ctx), req)
		if err != nil {
			return nil, err
		}
		r.expires = a.config.Now().Add(ttl)
		a.results.Set(key, r)
		return r, nil
	})
	if err != nil {
		return nil, false, err
	}
	return v.(*result), false, nil
}

// kept is a result whose time has not run out; nil when there is none.
func (a *Authorizers) kept(key hash) *result {
	if r, ok := a.results.GetIfPresent(key); ok && a.config.Now().Before(r.expires) {
		return r
	}
	return nil
}

// keyOf is AWS's cache key (spec/rest.md 3.2, 3.3): authorizer, API, stage and identity values; and the stage's flushes.
func keyOf(req *authzv1.AuthorizeRequest) hash {
	h := sha256.New()
	write := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	for _, s := range []string{req.Account, req.Region, req.ApiId, req.Stage, string(req.DefinitionHash), fmt.Sprint(req.Epoch)} {
		write(s)
	}
	for _, s := range req.Identity {
		write(string(s))
	}
	return hash(h.Sum(nil))
}

var errUnauthorized = errors.New("the function answered Unauthorized")

// invoke asks the function.
func (a *Authorizers) invoke(ctx context.Context, req *authzv1.AuthorizeRequest) (*result, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := a.config.Now()
	res, err := a.config.Functions.Invoke(ctx, req.FunctionArn, req.Event, functions.Options{TraceID: string(req.TraceId)})
	if err != nil {
		return nil, fmt.Errorf("function %s could not be invoked: %w", req.FunctionArn, err)
	}
	if res.FunctionError != "" {
		failure := event.ParseFunctionError(res.Payload)
		if failure.Message == "Unauthorized" { // exactly this text (trap 15)
			return nil, errUnauthorized
		}
		return nil, fmt.Errorf("function %s failed: %s: %s", req.FunctionArn, failure.Type, failure.Message)
	}
	answer, err := event.ParseAuthorizerResult(res.Payload)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", req.FunctionArn, err)
	}
	document, err := policy.Parse(answer.Policy, policy.Identity)
	if err != nil {
		return nil, fmt.Errorf("function %s: policyDocument: %w", req.FunctionArn, err)
	}
	return &result{answer: answer, policy: document.Compile("authorizer"), latency: a.config.Now().Sub(start)}, nil
}

// refusal is the verdict when there is no policy to evaluate. Neither is kept.
func (a *Authorizers) refusal(err error) *authzv1.AuthorizeResponse {
	if errors.Is(err, errUnauthorized) {
		return &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_UNAUTHORIZED, Reason: err.Error()}
	}
	return &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_CONFIGURATION_ERROR, Reason: err.Error()}
}

// judge evaluates the policy for this request.
func judge(r *result, cached bool, req *authzv1.AuthorizeRequest) *authzv1.AuthorizeResponse {
	question := &policy.Request{Action: "execute-api:Invoke", Resource: req.MethodArn}
	for k, v := range req.Conditions {
		question.Context.Set(k, string(v))
	}
	d := policy.Decide(question, r.policy)
	out := &authzv1.AuthorizeResponse{
		Verdict: verdictOf(d.Outcome), PrincipalId: r.answer.PrincipalID, UsageIdentifierKey: r.answer.UsageKey,
		Reason: d.String(), Cached: cached, IntegrationLatencyMillis: r.latency.Milliseconds(),
	}
	for _, f := range r.answer.Context {
		out.Context = append(out.Context, &authzv1.ContextValue{Name: f.Name, Value: []byte(f.Value)})
	}
	return out
}

func verdictOf(o policy.Outcome) authzv1.Verdict {
	switch o {
	case policy.Allow:
		return authzv1.Verdict_VERDICT_ALLOW
	case policy.ExplicitDeny:
		return authzv1.Verdict_VERDICT_EXPLICIT_DENY
	}
	return authzv1.Verdict_VERDICT_IMPLICIT_DENY
}
