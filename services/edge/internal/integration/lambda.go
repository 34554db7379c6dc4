package integration

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Invoker invokes a function by its ARN. Its errors are *functions.Error. It may keep the payload.
type Invoker interface {
	Invoke(ctx context.Context, functionARN string, payload []byte, o functions.Options) (functions.Result, error)
}

// Caller calls integrations.
type Caller struct {
	Client    *Client
	Functions Invoker // nil: no function can be reached
}

var errNoFunctions = errors.New("this edge has no function host")

// LambdaProxy invokes a function with the proxy event 1.0; the response is complete afterwards (spec/rest.md 5).
func (c *Caller) LambdaProxy(ctx context.Context, x *exchange.Exchange) error {
	in := x.Method.Integration
	if in.Forbidden != "" {
		return forbidden(x, in)
	}
	name, err := c.function(x)
	if err != nil {
		return err
	}
	payload, err := c.invoke(ctx, x, name, event.Append(nil, proxyEvent(x)))
	if err != nil {
		return err
	}
	return functionResponse(x, name, payload)
}

// Lambda invokes a function with what the request template made of the request, or with the body as it is; an integration
// response is chosen by the message of the function's error (spec/rest.md 4.8 and 4.9).
func (c *Caller) Lambda(ctx context.Context, x *exchange.Exchange) error {
	in := x.Method.Integration
	if in.Forbidden != "" {
		return forbidden(x, in)
	}
	name, err := c.function(x)
	if err != nil {
		return err
	}
	payload := []byte("{}")
	if len(x.Payload) > 0 {
		payload = bytes.Clone(x.Payload) // who invokes may keep it
	}
	result, err := c.invocation(ctx, x, name, payload, invocationType(x))
	if err != nil {
		return err
	}
	b := &x.Backend
	b.Status, b.Body, b.Subject = result.Status, result.Payload, ""
	b.Headers = append(b.Headers[:0], exchange.Field{Name: "Content-Type", Value: "application/json"})
	if result.FunctionError != "" {
		b.Subject = event.ParseFunctionError(result.Payload).Message
		b.Headers = append(b.Headers, exchange.Field{Name: "X-Amz-Function-Error", Value: result.FunctionError})
	}
	return nil
}

// invocationType is what a template or a mapping gives the header of that name; a call that waits, without one.
func invocationType(x *exchange.Exchange) functions.InvocationType {
	const header = "X-Amz-Invocation-Type"
	for i := range x.Overrides.Header {
		if o := &x.Overrides.Header[i]; strings.EqualFold(o.Name, header) {
			return functions.InvocationType(o.Joined())
		}
	}
	for _, p := range x.Method.Integration.Parameters {
		if p.Place == exchange.PlaceHeader && strings.EqualFold(p.Name, header) {
			if value := p.Source.Eval(exchange.Values{X: x}); value != "" {
				return functions.InvocationType(value)
			}
		}
	}
	return functions.RequestResponse
}

// function is the name of the integration's function, or why there is none.
func (c *Caller) function(x *exchange.Exchange) (string, error) {
	in := x.Method.Integration
	uri := string(in.URI.Append(nil, x.StageVariable, func(string) (string, bool) { return "", false }, nil))
	invocation, err := arn.ParseInvocation(uri)
	switch {
	case err != nil:
		return "", functionMissing(x, uri, err)
	case in.HTTPMethod != "POST": // spec/rest.md 5.1: accepted at creation, 500 at call time
		return "", functionMissing(x, uri, errors.New("functions are invoked with POST, and the integration's HTTP method is "+orDefault(in.HTTPMethod, x.Request.Method)))
	case c.Functions == nil:
		return "", functionMissing(x, uri, errNoFunctions)
	}
	return invocation.Function.String(), nil
}

// invoke calls a function for a proxy, and returns the payload of its success.
func (c *Caller) invoke(ctx context.Context, x *exchange.Exchange, name string, payload []byte) ([]byte, error) {
	result, err := c.invocation(ctx, x, name, payload, functions.RequestResponse)
	if err == nil && result.FunctionError != "" {
		err = gatewayresponse.BadGateway(errors.New(event.ParseFunctionError(result.Payload).Message))
	}
	return result.Payload, err
}

// invocation calls a function and records what became of it. The function's own error is no error of the call.
func (c *Caller) invocation(ctx context.Context, x *exchange.Exchange, name string, payload []byte, kind functions.InvocationType) (functions.Result, error) {
	x.Record.Add(executionlog.PhaseIntegration, executionlog.FunctionCalled, name)
	ctx, cancel := context.WithTimeout(ctx, x.Method.Integration.Timeout)
	defer cancel()
	start := time.Now()
	result, err := c.Functions.Invoke(ctx, name, payload, functions.Options{Type: kind, TraceID: strings.Clone(x.Trace.Header)})
	took := time.Since(start)
	x.Record.Backend = took
	x.AddResponseHeader("X-Amzn-Trace-Id", x.Trace.Header)
	if err != nil {
		return result, functionFailure(x, name, err)
	}
	x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.FunctionAnswered, took.Microseconds(), name, strconv.Itoa(result.Status))
	if result.FunctionError != "" {
		what := event.ParseFunctionError(result.Payload)
		x.Record.Add(executionlog.PhaseIntegration, executionlog.FunctionFailed, name, orDefault(what.Type, result.FunctionError), orDefault(what.Message, "no message"))
	}
	return result, nil
}

// functionResponse takes over a function's answer.
func functionResponse(x *exchange.Exchange, name string, payload []byte) error {
	answer, err := event.ParseResult(payload)
	if err != nil {
		return malformed(x, name, err)
	}
	x.Response.Body = answer.Body
	if answer.IsBase64Encoded && x.Scope.BinaryMediaTypes.Match(x.HeaderFold("accept")) {
		if x.Response.Body, err = answer.Decoded(); err != nil { // no malformed result: spec/rest.md 5.2
			x.Record.Add(executionlog.PhaseIntegration, executionlog.NotBase64, "response")
			return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
		}
	}
	typed := false
	for _, h := range answer.Headers {
		typed = typed || strings.EqualFold(h.Name, "content-type")
		if renamed, ok := RemappedName(x, h.Name, false); ok {
			x.AddResponseHeader(renamed, h.Value)
		}
	}
	if !typed {
		x.AddResponseHeader("Content-Type", "application/json")
	}
	x.Backend.Status, x.Response.Status = answer.StatusCode, answer.StatusCode
	return nil
}

func malformed(x *exchange.Exchange, name string, err error) error {
	x.Record.Add(executionlog.PhaseIntegration, executionlog.MalformedResult, name, err.Error())
	return gatewayresponse.BadGateway(err)
}

func functionMissing(x *exchange.Exchange, name string, err error) error {
	x.Record.Add(executionlog.PhaseIntegration, executionlog.FunctionMissing, name, err.Error())
	return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
}

// functionFailure names the answer to an invocation that did not take place (spec/rest.md 5.2, trap 34).
func functionFailure(x *exchange.Exchange, name string, err error) error {
	failure := &functions.Error{Kind: functions.Unreachable, Message: err.Error()}
	if !errors.As(err, &failure) && errors.Is(err, context.DeadlineExceeded) {
		failure.Kind = functions.TimedOut
	}
	code := executionlog.FunctionUnavailable
	switch failure.Kind {
	case functions.TimedOut:
		x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.BackendTimeout, x.Method.Integration.Timeout.Milliseconds(), name)
		return gatewayresponse.New(gatewayresponse.IntegrationTimeout, err)
	case functions.Missing:
		code = executionlog.FunctionMissing
	case functions.Denied:
		code = executionlog.FunctionForbidden
	case functions.Throttled:
		code = executionlog.FunctionThrottled
	}
	x.Record.Add(executionlog.PhaseIntegration, code, name, orDefault(failure.Message, err.Error()))
	return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
}

// AuthorizerEvent is the event of a REQUEST authorizer: the client's request before any mapping (spec/rest.md 3.3).
func AuthorizerEvent(x *exchange.Exchange, methodARN string) []byte {
	facts := proxyEvent(x)
	facts.Headers = eventHeaders(x, &exchange.Integration{})
	return event.AppendAuthorizer(nil, facts, methodARN)
}

// proxyEvent collects the facts of the event.
func proxyEvent(x *exchange.Exchange) *event.Request {
	s, m := x.Scope, x.Method
	prefix, _, _ := strings.Cut(x.DomainName, ".")
	return &event.Request{
		Resource: m.ResourcePath, Path: x.EventPath, HTTPMethod: x.Request.Method, Headers: eventHeaders(x, m.Integration), Query: x.Query(),
		PathParameters: x.Match.Params, StageVariables: stageVariables(s), Body: x.Request.Body,
		Binary: s.BinaryMediaTypes.Match(x.HeaderFold("content-type")),
		Context: event.Context{
			ResourceID: m.ResourceID, ResourcePath: m.ResourcePath, OperationName: m.OperationName, HTTPMethod: x.Request.Method,
			ExtendedRequestID: x.ExtendedID, RequestTime: x.Request.Received, Path: x.Target.ContextPath(), AccountID: s.Account,
			Stage: s.Stage, DomainPrefix: prefix, RequestID: x.RequestID, DomainName: x.DomainName, DeploymentID: s.DeploymentID, APIID: s.API, Authorizer: x.Authorizer,
			Identity: event.Identity{SourceIP: x.SourceIP(), UserAgent: x.HeaderFold("user-agent"), APIKey: x.APIKey, APIKeyID: x.APIKeyID,
				AccessKey: x.Caller.AccessKey, AccountID: x.Caller.Account, Caller: x.Caller.ID, User: x.Caller.ID, UserARN: x.Caller.ARN},
		},
	}
}

func stageVariables(s *exchange.Scope) []exchange.Field {
	out := make([]exchange.Field, 0, len(s.StageVariables))
	for name, value := range s.StageVariables {
		out = append(out, exchange.Field{Name: name, Value: value})
	}
	slices.SortFunc(out, func(a, b exchange.Field) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// eventHeaders are the client's headers without those that disappear, with mapped ones over them and the forwarding
// headers added (spec/rest.md 4.3 and 5.1).
func eventHeaders(x *exchange.Exchange, in *exchange.Integration) []exchange.Field {
	m := mapped{in: in, values: exchange.Values{X: x}}
	out := make([]exchange.Field, 0, len(x.Request.Headers)+4)
	forwarded := ""
	for _, h := range x.Request.Headers {
		switch {
		case strings.EqualFold(h.Name, "x-forwarded-for"):
			forwarded = h.Value
		case strings.EqualFold(h.Name, "x-forwarded-port"), strings.EqualFold(h.Name, "x-forwarded-proto"), strings.EqualFold(h.Name, "x-amzn-trace-id"):
		case exchange.HiddenFromMapping(h.Name), strings.EqualFold(h.Name, "keep-alive"), strings.EqualFold(h.Name, "x-http-method-override"), m.has(h.Name):
		case x.Withheld(h.Name, h.Value):
		case strings.EqualFold(h.Name, "host"):
			out = append(out, exchange.Field{Name: "Host", Value: h.Value})
		default:
			out = append(out, h)
		}
	}
	for _, p := range m.in.Parameters {
		if value := p.Source.Eval(m.values); p.Place == exchange.PlaceHeader && value != "" {
			out = append(out, exchange.Field{Name: p.Name, Value: value})
		}
	}
	return forwarding(out, x, forwarded)
}

// forwarding adds the headers that tell of the client; forwarded is what it sent of X-Forwarded-For itself.
func forwarding(out []exchange.Field, x *exchange.Exchange, forwarded string) []exchange.Field {
	switch {
	case x.Request.Forwarded: // it ends with the client already
	case forwarded != "":
		forwarded += ", " + x.SourceIP()
	default:
		forwarded = x.SourceIP()
	}
	return append(out,
		exchange.Field{Name: "X-Amzn-Trace-Id", Value: x.Trace.Header},
		exchange.Field{Name: "X-Forwarded-For", Value: forwarded},
		exchange.Field{Name: "X-Forwarded-Port", Value: strconv.Itoa(int(x.Request.LocalPort))},
		exchange.Field{Name: "X-Forwarded-Proto", Value: x.Request.Scheme()})
}
