package pipeline

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/integration"
)

// authorizeTimeout is longer than authz lets a function take, so that authz's own answer comes first.
const authorizeTimeout = 30 * time.Second

// authorize asks the method's Lambda authorizer, step 0.8. When authz does not answer, nobody passes.
func authorize(m Method, v *Services) exchange.Phase {
	a := m.Authorizer
	return func(ctx context.Context, x *exchange.Exchange) error {
		identity, err := identityOf(x, a)
		if err != nil {
			return err
		}
		req, err := question(x, a, identity)
		if err != nil {
			return broken(x, a, err)
		}
		ctx, cancel := context.WithTimeout(ctx, authorizeTimeout)
		defer cancel()
		res, err := v.Authz.Authorize(ctx, req)
		if err == nil && res.Verdict == authzv1.Verdict_VERDICT_DEFINITION_NEEDED {
			req.Authorizer = a.Definition
			res, err = v.Authz.Authorize(ctx, req)
		}
		if err != nil {
			x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerBroken, a.ID, "authz did not answer: "+err.Error())
			return gatewayresponse.New(gatewayresponse.AuthorizerFailure, err)
		}
		return verdict(x, a, res)
	}
}

// identityOf evaluates the identity sources. A token must be there and fit; sources of a REQUEST authorizer must be there
// when results are kept (spec/rest.md 3.2, 3.3).
func identityOf(x *exchange.Exchange, a *exchange.Authorizer) ([]string, error) {
	values := exchange.Values{X: x}
	identity := make([]string, len(a.Identity))
	for i, source := range a.Identity {
		identity[i] = source.Eval(values)
		if identity[i] == "" && (a.Token || a.Keeps) {
			x.Record.Add(executionlog.PhaseAuthorize, executionlog.IdentityMissing, a.ID, a.Expressions[i])
			return nil, gatewayresponse.New(gatewayresponse.Unauthorized, nil)
		}
	}
	if a.Token && a.Validation != nil && !a.Validation.MatchString(identity[0]) {
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.IdentityInvalid, a.ID, a.ValidationText)
		return nil, gatewayresponse.New(gatewayresponse.Unauthorized, nil)
	}
	return identity, nil
}

// question collects what authz needs. Strings of the exchange are cloned where they outlive it.
func question(x *exchange.Exchange, a *exchange.Authorizer, identity []string) (*authzv1.AuthorizeRequest, error) {
	uri := string(a.URI.Append(nil, x.StageVariable, func(string) (string, bool) { return "", false }, nil))
	invocation, err := arn.ParseInvocation(uri)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(identity))
	for i := range identity {
		values[i] = []byte(identity[i])
	}
	methodARN := x.MethodARN()
	req := &authzv1.AuthorizeRequest{
		Account: x.Scope.Account, Region: x.Scope.Region, ApiId: x.Scope.API, Stage: x.Scope.Stage,
		DefinitionHash: a.Hash, Epoch: x.Scope.AuthorizerEpoch, Identity: values, MethodArn: methodARN,
		FunctionArn: invocation.Function.String(), TraceId: []byte(x.Trace.Header), Conditions: conditions(x),
	}
	switch {
	case a.Token:
		req.Event = event.AppendToken(nil, identity[0], methodARN)
	case x.Socket != nil:
		req.Event = integration.SocketAuthorizerEvent(x, methodARN)
	default:
		req.Event = integration.AuthorizerEvent(x, methodARN)
	}
	return req, nil
}

// conditions are the condition keys that every request has (spec/rest.md 3.8).
func conditions(x *exchange.Exchange) map[string][]byte {
	out := map[string][]byte{
		"aws:SourceIp": []byte(x.SourceIP()), "aws:SecureTransport": strconv.AppendBool(nil, x.Request.Scheme() == "https"),
		"aws:CurrentTime": x.Request.Received.UTC().AppendFormat(nil, time.RFC3339),
	}
	for key, header := range map[string]string{"aws:UserAgent": "user-agent", "aws:Referer": "referer"} {
		if value := x.HeaderFold(header); value != "" {
			out[key] = []byte(value)
		}
	}
	return out
}

// verdict turns an answer into the outcome of spec/rest.md 3.5.
func verdict(x *exchange.Exchange, a *exchange.Authorizer, res *authzv1.AuthorizeResponse) error {
	switch res.Verdict {
	case authzv1.Verdict_VERDICT_ALLOW:
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.Authorized, a.ID, res.PrincipalId, res.Reason)
		x.Authorizer = &event.Authorizer{PrincipalID: res.PrincipalId, IntegrationLatency: res.IntegrationLatencyMillis}
		for _, v := range res.Context {
			x.Authorizer.Context = append(x.Authorizer.Context, event.Field{Name: v.Name, Value: string(v.Value)})
		}
		x.UsageKey = res.UsageIdentifierKey
		return nil
	case authzv1.Verdict_VERDICT_EXPLICIT_DENY:
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerDenied, a.ID, res.Reason)
		return denied("User is not authorized to access this resource with an explicit deny")
	case authzv1.Verdict_VERDICT_IMPLICIT_DENY:
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerDenied, a.ID, res.Reason)
		return denied("User is not authorized to access this resource")
	case authzv1.Verdict_VERDICT_UNAUTHORIZED:
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerUnauthorized, a.ID)
		return gatewayresponse.New(gatewayresponse.Unauthorized, nil)
	}
	return broken(x, a, errors.New(res.Reason))
}

// denied writes Message with a capital M (trap 13).
func denied(message string) error {
	return &gatewayresponse.Error{Type: gatewayresponse.AccessDenied, Message: message, CapitalMessage: true}
}

// broken is an authorizer that cannot answer: a fault of its configuration, never a pass.
func broken(x *exchange.Exchange, a *exchange.Authorizer, err error) error {
	x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerBroken, a.ID, err.Error())
	return gatewayresponse.New(gatewayresponse.AuthorizerConfigurationError, err)
}
