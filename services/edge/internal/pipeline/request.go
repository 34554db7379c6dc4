package pipeline

import (
	"bytes"
	"context"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/jsonpath"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// requestBody chooses what the integration receives as body, step 0.13: proxies take it as it is, the others by the
// passthrough table; then content handling.
func requestBody(m Method, _ *Services) exchange.Phase {
	in := m.Integration
	if in.Type == exchange.AWSProxy {
		return func(context.Context, *exchange.Exchange) error { return nil } // the event takes the body itself
	}
	if in.Type == exchange.HTTPProxy {
		return func(_ context.Context, x *exchange.Exchange) error { return handled(x, in) }
	}
	return func(_ context.Context, x *exchange.Exchange) error {
		contentType := x.HeaderFold("content-type")
		template, choice := in.Templates.ForRequest(contentType, in.Passthrough)
		switch choice {
		case mapping.Unsupported:
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.UnsupportedMediaType, mapping.MediaType(contentType, "application/json"), in.Passthrough)
			return gatewayresponse.New(gatewayresponse.UnsupportedMediaType, nil)
		case mapping.PassThrough:
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.RequestMapped, "the request body, passed through")
			return handled(x, in)
		}
		if !x.Scope.BinaryMediaTypes.RequestIsText(contentType, in.ContentHandling) {
			return templateFailed(x, requestTemplate, template, errBinary)
		}
		body, _ := x.Scope.BinaryMediaTypes.RequestBody(x.Request.Body, contentType, in.ContentHandling) // text is always made
		return transformRequest(x, in.Type, template, body)
	}
}

// readableBody refuses a body that means to be JSON and is none, when a parameter is mapped from inside it
// (spec/rest.md 4.4).
func readableBody(Method, *Services) exchange.Phase {
	return func(_ context.Context, x *exchange.Exchange) error {
		body := bytes.TrimLeft(x.Request.Body, " \t\r\n")
		if len(body) == 0 || body[0] != '{' && body[0] != '[' {
			return nil
		}
		if _, err := jsonpath.ParseJSON(exchange.View(body)); err != nil {
			x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.BodyUnreadable, err.Error())
			return gatewayresponse.Newf(gatewayresponse.BadRequestBody, nil, "Invalid JSON in request body")
		}
		return nil
	}
}

// handled passes the body on after content handling (spec/rest.md 4.6).
func handled(x *exchange.Exchange, in *exchange.Integration) error {
	if len(x.Request.Body) == 0 {
		return nil
	}
	body, ok := x.Scope.BinaryMediaTypes.RequestBody(x.Request.Body, x.HeaderFold("content-type"), in.ContentHandling)
	if !ok {
		x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.NotBase64, "request")
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
	}
	x.Payload = body
	return nil
}
