package pipeline

import (
	"context"
	"strings"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/integration"
)

// integrationResponse chooses the integration response and makes the method response of it, step 0.15
// (spec/rest.md 4.9).
func integrationResponse(m Method, _ *Services) exchange.Phase {
	in := m.Integration
	return func(_ context.Context, x *exchange.Exchange) error {
		chosen, by := selectResponse(in.Responses, x.Backend.Subject)
		if chosen == nil {
			subject := x.Backend.Subject
			if subject == "" {
				subject = "nothing"
			}
			x.Record.Add(executionlog.PhaseIntegrationResponse, executionlog.NoIntegrationResponse, subject)
			return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
		}
		x.Record.AddNumber(executionlog.PhaseIntegrationResponse, executionlog.ResponseSelected, int64(chosen.Status), by)
		if x.Method.Responses[chosen.StatusCode] == nil {
			x.Record.Add(executionlog.PhaseMethodResponse, executionlog.NoMethodResponse, chosen.StatusCode)
			return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
		}
		mapHeaders(x, chosen)
		x.Response.Status = chosen.Status
		if err := mapBody(x, chosen); err != nil {
			return err
		}
		overrideResponse(x)
		return nil
	}
}

// overrideResponse gives the answer the status and the headers that templates have set, whichever of the two templates did
// (spec/rest.md 4.8 and 6.6).
func overrideResponse(x *exchange.Exchange) {
	if status, ok := x.Templates.Status(); ok {
		x.Response.Status = status
		x.Record.AddNumber(executionlog.PhaseIntegrationResponse, executionlog.StatusOverridden, int64(status))
	}
	for _, o := range x.Templates.ResponseHeaders() {
		if name, ok := integration.RemappedName(x, o.Name, false); ok {
			x.SetResponseHeader(name, o.Joined())
		}
	}
}

// selectResponse takes the first response whose pattern matches the whole subject, else the default. The responses come
// in order of their status codes.
func selectResponse(responses []exchange.IntegrationResponse, subject string) (*exchange.IntegrationResponse, string) {
	var byDefault *exchange.IntegrationResponse
	for i := range responses {
		r := &responses[i]
		switch {
		case r.Pattern == nil:
			if byDefault == nil {
				byDefault = r
			}
		case r.Pattern.MatchString(subject):
			return r, "the pattern " + r.PatternText
		}
	}
	return byDefault, "default"
}

func mapHeaders(x *exchange.Exchange, r *exchange.IntegrationResponse) {
	v := exchange.Values{X: x}
	for i := range r.Parameters {
		p := &r.Parameters[i]
		name, ok := integration.RemappedName(x, p.Name, false)
		if !ok {
			continue
		}
		if value := p.Source.Eval(v); value != "" {
			x.SetResponseHeader(name, value)
		}
	}
}

// mapBody renders the template that Accept selects, or passes the integration's body.
func mapBody(x *exchange.Exchange, r *exchange.IntegrationResponse) error {
	accept := x.HeaderFold("accept")
	body, contentType := x.Backend.Body, "application/json"
	backendType := exchange.LookupFold(x.Backend.Headers, "content-type")
	if t := r.Templates.ForResponse(accept); t != nil {
		if !x.Scope.BinaryMediaTypes.ResponseIsText(accept, r.ContentHandling) {
			return templateFailed(x, responseTemplate, t, errBinary)
		}
		body, _ = x.Scope.BinaryMediaTypes.ResponseBody(body, backendType, accept, r.ContentHandling) // text is always made
		var err error
		if body, err = transform(x, responseTemplate, t, body); err != nil {
			return err
		}
		contentType = t.Key
	} else if len(body) > 0 {
		var ok bool
		if body, ok = x.Scope.BinaryMediaTypes.ResponseBody(body, backendType, accept, r.ContentHandling); !ok {
			x.Record.Add(executionlog.PhaseIntegrationResponse, executionlog.NotBase64, "response")
			return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
		}
	}
	x.Response.Body = body
	for i := range x.Response.Headers {
		if strings.EqualFold(x.Response.Headers[i].Name, "content-type") {
			return nil
		}
	}
	x.AddResponseHeader("Content-Type", contentType)
	return nil
}
