// Package pipeline holds, per API family, the ordered list of phases that a request passes after its method was found,
// and the phases themselves. Its lists are the only statement of the order in code (spec/rest.md section 0).
//
// A method's list leaves out what the method does not need. The surprise: a method that needs something this gateway does
// not serve yet has one phase, which refuses every call: an unfinished feature never leaves a method open.
package pipeline

import (
	"context"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/throttle"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/integration"
	"github.com/limen-gateway/limen/services/edge/internal/meter"
)

// Services are what phases ask beyond the exchange. What is nil is not there: methods that need it refuse their calls.
type Services struct {
	Caller *integration.Caller
	Authz  authzv1.AuthzClient
	// Meter counts; nil leaves methods unthrottled, and refuses those that need an API key. Account is the limit of an account's
	// requests; the zero value is none.
	Meter   *meter.Meter
	Account throttle.Limit
	// Cache is nil without a response cache; then every request is a miss.
	Cache *Cache
}

// Method is what Compile looks at.
type Method struct {
	Integration *exchange.Integration
	// Authorizer is nil for methods without one.
	Authorizer *exchange.Authorizer
	// Signed demands that the owner of the API signs; an Authorizer means nothing then.
	Signed bool
	// Validator is nil for methods whose requests are not validated.
	Validator *exchange.Validator
	// Name is "{verb} {path}".
	Name string
	// KeyRequired demands an API key; KeyFromAuthorizer takes it from the authorizer's answer.
	KeyRequired, KeyFromAuthorizer bool
	// Metered methods are throttled by the stage and the account.
	Metered bool
	// Unserved names what the method needs and this gateway does not serve yet; "" for nothing.
	Unserved string
}

// step is one place in the order: a phase, and which methods need it.
type step struct {
	needed func(Method) bool
	phase  func(Method, *Services) exchange.Phase
}

// rest is the order of REST APIs before the integration, steps 0.7 to 0.11 of spec/rest.md section 0.
var rest = []step{
	{func(m Method) bool { return m.Unserved != "" }, refuse},
	{func(m Method) bool { return served(m) && m.Authorizer != nil && !m.Signed }, authorize},
	{func(m Method) bool { return served(m) && m.Signed }, signed},
	{func(m Method) bool { return served(m) && m.KeyRequired }, apiKey},
	{func(m Method) bool { return served(m) && m.Metered }, throttled},
	{func(m Method) bool { return served(m) && m.Validator != nil }, validate},
}

// backend goes on from there, steps 0.13 to 0.15: what a kept answer of the response cache, step 0.12, spares.
var backend = []step{
	{func(m Method) bool { return served(m) && m.Integration.ReadsBody }, readableBody},
	{served, requestBody},
	{served, call},
	{func(m Method) bool { return served(m) && !isProxy(m) }, integrationResponse},
}

func served(m Method) bool { return m.Unserved == "" }

func isProxy(m Method) bool {
	return m.Integration.Type == exchange.HTTPProxy || m.Integration.Type == exchange.AWSProxy
}

// REST compiles the phases of a method of a REST API.
func REST(m Method, v *Services) []exchange.Phase {
	before, behind := compile(rest, m, v), compile(backend, m, v)
	if v.Cache == nil || !served(m) {
		return append(before, behind...)
	}
	return append(before, cached(m, v, behind))
}

func compile(steps []step, m Method, v *Services) []exchange.Phase {
	var out []exchange.Phase
	for _, s := range steps {
		if s.needed(m) {
			out = append(out, s.phase(m, v))
		}
	}
	return out
}

// refuse fails closed.
func refuse(m Method, _ *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.NotSupported, m.Unserved)
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
	}
}

// call is the integration call, step 0.14.
func call(m Method, v *Services) exchange.Phase {
	switch m.Integration.Type {
	case exchange.HTTP, exchange.HTTPProxy:
		return v.Caller.HTTP
	case exchange.AWSProxy:
		return v.Caller.LambdaProxy
	case exchange.AWS:
		return v.Caller.Lambda
	case exchange.Mock:
		return v.Caller.Mock
	}
	return refuse(Method{Unserved: "an integration of type " + string(m.Integration.Type)}, v)
}
