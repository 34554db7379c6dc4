package pipeline

import (
	"errors"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// side is a side on which templates are.
type side struct {
	name   string
	phase  executionlog.Phase
	mapped executionlog.Code
}

var (
	requestTemplate  = side{"request", executionlog.PhaseIntegrationRequest, executionlog.RequestMapped}
	responseTemplate = side{"response", executionlog.PhaseIntegrationResponse, executionlog.ResponseMapped}
)

// errBinary: a template cannot read bytes (spec/rest.md 4.6).
var errBinary = errors.New("the body is binary and is not converted to text")

// transform renders a template on a body that is text.
func transform(x *exchange.Exchange, s side, t *mapping.Template, body []byte) ([]byte, error) {
	out, err := t.Render(exchange.Values{X: x}, exchange.View(body), &x.Templates)
	if err != nil {
		return nil, templateFailed(x, s, t, err)
	}
	x.Record.Add(s.phase, s.mapped, t.Title)
	if line := x.Templates.Cut; line > 0 {
		x.Record.AddNumber(s.phase, executionlog.LoopCut, int64(line))
		x.Templates.Cut = 0
	}
	return out, nil
}

// templateFailed names the template, its line and the reason; the client gets 500 (spec/rest.md 6.5).
func templateFailed(x *exchange.Exchange, s side, t *mapping.Template, err error) error {
	x.Record.Add(s.phase, executionlog.TemplateFailed, s.name, t.Key, err.Error())
	return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
}

// transformRequest makes the integration's request of a template: the body, and the parameters that it overrides. What may
// not be mapped may not be overridden either.
func transformRequest(x *exchange.Exchange, kind exchange.Type, t *mapping.Template, body []byte) error {
	out, err := transform(x, requestTemplate, t, body)
	if err != nil {
		return err
	}
	x.Payload = out
	if kind == exchange.Mock {
		return nil // nothing is sent
	}
	x.Overrides = x.Templates.Request()
	for i := range x.Overrides.Header {
		if name := x.Overrides.Header[i].Name; exchange.ForbiddenHeader(kind, name) {
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.MappingForbidden, name, string(kind))
			return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
		}
	}
	return nil
}
