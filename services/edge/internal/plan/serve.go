package plan

import (
	"context"
	"errors"
	"strings"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/routing"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Claims reports whether the request names an API by its host, its path or the header x-apigw-api-id, and remembers the
// target in the exchange.
func (p *Plans) Claims(x *exchange.Exchange) bool {
	if api, ok := routing.HostAPI(x.Request.Host, p.cfg.Suffixes); ok {
		x.Target = routing.StageTarget(routing.HostForm, api, x.Request.Path)
		return true
	}
	if t, ok := routing.PathTarget(x.Request.Path); ok {
		x.Target = t
		return true
	}
	if api := x.HeaderFold("x-apigw-api-id"); api != "" {
		x.Target = routing.StageTarget(routing.HeaderForm, api, x.Request.Path)
		return true
	}
	return false
}

// Serve runs a request through the current plan. Every outcome is a response.
func (p *Plans) Serve(ctx context.Context, x *exchange.Exchange) {
	s, err := p.find(x)
	if err == nil && s.content.routes != nil {
		p.serveSocket(ctx, x, s)
		return
	}
	if err == nil {
		err = route(x, s)
	}
	if err == nil {
		for _, phase := range x.Method.Phases {
			if err = phase(ctx, x); err != nil {
				break
			}
		}
	}
	if err == nil && x.Response.Status < 200 {
		// An interim status cannot end a request: the client would wait for more.
		x.Record.Add(executionlog.PhaseIntegration, executionlog.Failed, "integration", "the integration answered with an interim status, below 200")
		err = gatewayresponse.BadGateway(nil)
	}
	if err != nil {
		fail(x, err)
	}
}

// find places the request: API and stage, steps 0.2 to 0.5 of spec/rest.md section 0.
func (p *Plans) find(x *exchange.Exchange) (*stage, error) {
	if x.Target.Form == routing.NoForm && !p.Claims(x) {
		x.Record.Add(executionlog.PhaseAPI, executionlog.UnknownHost, routing.StripPort(x.Request.Host))
		return nil, gatewayresponse.Forbidden(nil)
	}
	x.DomainName = routing.StripPort(x.Request.Host)
	x.Record.API = x.Target.API
	return p.findStage(x)
}

func (p *Plans) findStage(x *exchange.Exchange) (*stage, error) {
	t, r := &x.Target, &x.Record
	a := p.Current().apis[t.API]
	switch {
	case a == nil:
		r.Add(executionlog.PhaseAPI, executionlog.UnknownAPI, t.API)
		return nil, gatewayresponse.Forbidden(nil)
	case t.Stage == "":
		r.Add(executionlog.PhaseStage, executionlog.MissingStage, x.Request.Path, a.names[0])
		r.Account = a.account
		if c := a.stages[a.names[0]].content; c != nil && c.routes != nil {
			return nil, gatewayresponse.Forbidden(nil) // spec/websocket.md 3.1
		}
		return nil, gatewayresponse.New(gatewayresponse.MissingAuthenticationToken, nil)
	}
	r.Account = a.account
	r.Add(executionlog.PhaseAPI, executionlog.APIFound, x.DomainName, t.API)
	s := a.stages[t.Stage]
	switch {
	case s == nil:
		r.Add(executionlog.PhaseStage, executionlog.UnknownStage, t.API, t.Stage, strings.Join(a.names, ", "))
		return nil, gatewayresponse.Forbidden(nil)
	case s.content == nil:
		r.Stage = t.Stage
		r.Add(executionlog.PhaseStage, executionlog.StageUnusable, t.API, t.Stage, s.err.Error())
		return nil, gatewayresponse.Unavailable(s.err)
	case s.content.disabled:
		r.Add(executionlog.PhaseStage, executionlog.EndpointDisabled, t.API)
		return nil, gatewayresponse.Forbidden(nil)
	}
	x.Scope, x.Keys = s.scope, a.keys
	r.Stage = s.scope.Stage
	r.Add(executionlog.PhaseStage, executionlog.StageFound, s.scope.Stage, s.scope.DeploymentID)
	return s, nil
}

// route finds the method. A client may ask for another verb than the one it could send (spec/rest.md 1.2).
func route(x *exchange.Exchange, s *stage) error {
	t := &x.Target
	if verb := x.HeaderFold("x-http-method-override"); verb != "" {
		x.Request.Override(verb)
	}
	if !s.content.tree.Match(x.Request.Method, t.Path, &x.Match) {
		if verbs := s.content.tree.Methods(t.Path); len(verbs) > 0 {
			x.Record.Add(executionlog.PhaseRoute, executionlog.WrongMethod, t.Path, x.Request.Method, strings.Join(verbs, ", "))
		} else {
			x.Record.Add(executionlog.PhaseRoute, executionlog.WrongPath, t.API, t.Stage, t.Path)
		}
		return gatewayresponse.New(gatewayresponse.MissingAuthenticationToken, nil)
	}
	x.Method = s.content.methods[x.Match.Route]
	x.Record.Resource = x.Method.ResourcePath
	x.EventPath = t.Path
	for len(x.EventPath) > 1 && x.EventPath[1] == '/' {
		x.EventPath = x.EventPath[1:]
	}
	x.Record.Add(executionlog.PhaseRoute, executionlog.RouteMatched, x.Request.Method, t.Path, x.Method.HTTPMethod, x.Method.ResourcePath)
	return nil
}

func asGateway(x *exchange.Exchange, err error) *gatewayresponse.Error {
	var e *gatewayresponse.Error
	if !errors.As(err, &e) {
		e = gatewayresponse.Internal(err)
		x.Record.Add(executionlog.PhaseIntegration, executionlog.Failed, "integration", err.Error())
	}
	return e
}

// fail makes the gateway response of a failure. Any error that is not a gateway response is a defect or a lost
// dependency: the client sees the default 5xx, the text stays in the record.
func fail(x *exchange.Exchange, err error) {
	e := asGateway(x, err)
	var set *gatewayresponse.Set
	if x.Scope != nil {
		set = x.Scope.GatewayResponses
	}
	out := set.Render(e, x.HeaderFold("accept"), exchange.Values{X: x}, x.ReplyBuffer())
	x.StoreReply(out.Body)
	trace := exchange.LookupFold(x.Response.Headers, "x-amzn-trace-id")
	x.Response.Headers = x.Response.Headers[:0]
	x.AddResponseHeader("Content-Type", out.ContentType)
	x.AddResponseHeader("x-amzn-ErrorType", out.ErrorType)
	if trace != "" {
		x.AddResponseHeader("X-Amzn-Trace-Id", trace) // spec/rest.md 5.2: when the integration was attempted
	}
	for _, h := range out.Headers {
		x.SetResponseHeader(h.Name, h.Value)
	}
	x.Response.Status, x.Response.Body = out.Status, out.Body
	x.Record.AddNumber(executionlog.PhaseGatewayResponse, executionlog.Answered, int64(out.Status), string(e.Type), e.Recorded())
}
