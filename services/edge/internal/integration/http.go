// Package integration calls what stands behind a method: HTTP backends, Lambda functions, and the mock that stands for
// none. It builds the request to the backend, makes the call within the integration's time-out, and puts the answer into
// the exchange; choosing and mapping an integration response is pipeline's work.
//
// Failures are gateway responses with their cause in the record. The surprise: a proxy integration's answer goes almost
// straight through, yet its header names are remapped (spec/rest.md 4.9).
package integration

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/http1"
)

// HTTP calls an HTTP or HTTP_PROXY backend with x.Payload. For HTTP_PROXY the response is complete afterwards.
func (c *Caller) HTTP(ctx context.Context, x *exchange.Exchange) error {
	in := x.Method.Integration
	if in.Forbidden != "" {
		return forbidden(x, in)
	}
	uri := x.Compose(func(dst []byte) []byte { return appendURI(dst, x) })
	e, err := parseEndpoint(uri, func(host, port string) string { return joinHost(x, host, port) })
	if err != nil {
		return invalidEndpoint(x, uri, err)
	}
	start := time.Now()
	o := outgoing{endpoint: e, method: in.HTTPMethod, deadline: start.Add(in.Timeout), body: x.Payload}
	if o.method == "" {
		o.method = x.Request.Method
	}
	if in.Type == exchange.HTTP && bodiless(o.method) {
		o.body = nil // spec/rest.md 4.3: whatever the template made
	}
	uri, _, _ = strings.Cut(uri, "?") // records hold no query strings
	x.Record.Add(executionlog.PhaseIntegration, executionlog.BackendCalled, o.method, uri)
	if in.Type == exchange.HTTP {
		x.AddResponseHeader("X-Amzn-Trace-Id", x.Trace.Header) // spec/rest.md 12.1: not for HTTP_PROXY
	}
	span := openSpan(ctx, x, &o, uri)
	err = c.Client.do(ctx, x, &o)
	closeSpan(span, x, err)
	took := time.Since(start)
	x.Record.Backend = took
	if err != nil {
		return backendFailure(x, uri, err)
	}
	x.Backend.Subject = x.Build(func(dst []byte) []byte { return strconv.AppendInt(dst, int64(x.Backend.Status), 10) })
	x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.BackendAnswered, took.Microseconds(), uri, x.Backend.Subject)
	if in.Type == exchange.HTTPProxy {
		proxyResponse(x)
	}
	return nil
}

func joinHost(x *exchange.Exchange, host, port string) string {
	return x.Build(func(dst []byte) []byte {
		if strings.IndexByte(host, ':') >= 0 {
			dst = append(append(append(dst, '['), host...), ']')
		} else {
			dst = append(dst, host...)
		}
		return append(append(dst, ':'), port...)
	})
}

// appendURI fills in the URI's variables and adds the query parameters.
func appendURI(dst []byte, x *exchange.Exchange) []byte {
	in := x.Method.Integration
	v := exchange.Values{X: x}
	dst = in.URI.Append(dst, x.StageVariable, func(name string) (string, bool) { return pathParameter(in, v, name) }, escapePath)
	sep := byte('?')
	if bytes.IndexByte(dst, '?') >= 0 {
		sep = '&'
	}
	add := func(name, value string) {
		dst = append(dst, sep)
		dst = append(escapeQuery(dst, name), '=')
		dst = escapeQuery(dst, value)
		sep = '&'
	}
	for _, o := range x.Overrides.Query {
		for _, value := range o.Values {
			add(o.Name, value)
		}
	}
	if in.Type == exchange.HTTPProxy {
		for _, q := range x.Query() {
			add(q.Name, q.Value)
		}
	}
	for _, p := range in.Parameters {
		if p.Place != exchange.PlaceQuery || overrides(x.Overrides.Query, p.Name) {
			continue
		}
		if p.Source.Repeats() {
			for _, value := range p.Source.All(nil, v) {
				add(p.Name, value)
			}
		} else if value := p.Source.Eval(v); value != "" {
			add(p.Name, value)
		}
	}
	return dst
}

// overrides reports whether a template has set the parameter. An override is final (spec/rest.md 6.6).
func overrides(list []mapping.Override, name string) bool {
	for i := range list {
		if list[i].Name == name {
			return true
		}
	}
	return false
}

func pathParameter(in *exchange.Integration, v exchange.Values, name string) (string, bool) {
	for _, o := range v.X.Overrides.Path {
		if o.Name == name {
			return o.Joined(), true
		}
	}
	for _, p := range in.Parameters {
		if p.Place == exchange.PlacePath && p.Name == name {
			value := p.Source.Eval(v)
			return value, value != ""
		}
	}
	return "", false
}

// appendHead writes the request's head: the headers of the client (HTTP_PROXY) or our defaults (HTTP), the mapped ones
// over them, and those every backend gets (spec/rest.md 4.7).
func appendHead(x *exchange.Exchange, dst []byte, o *outgoing) []byte {
	in := x.Method.Integration
	dst = append(append(append(dst, o.method...), ' '), o.endpoint.path...)
	if o.endpoint.query != "" {
		dst = append(append(dst, '?'), o.endpoint.query...)
	}
	dst = append(dst, " HTTP/1.1\r\n"...)
	m := mapped{in: in, values: exchange.Values{X: x}}
	if !m.has("host") {
		dst = append(append(append(dst, "Host: "...), o.endpoint.host...), "\r\n"...)
	}
	hasBody := bodyVerb(o.method) || len(o.body) > 0
	if in.Type == exchange.HTTPProxy {
		dst = appendClientHeaders(dst, x, o, &m)
	} else {
		dst = m.appendDefault(dst, "Accept", "application/json")
		if hasBody {
			dst = m.appendDefault(dst, "Content-Type", orDefault(x.HeaderFold("content-type"), "application/json"))
		}
		if !m.has("user-agent") {
			dst = append(append(append(dst, "User-Agent: AmazonAPIGateway_"...), x.Scope.API...), "\r\n"...)
		}
	}
	dst = m.append(dst)
	if hasBody {
		dst = strconv.AppendInt(append(dst, "Content-Length: "...), int64(len(o.body)), 10)
		dst = append(dst, "\r\n"...)
	}
	dst = append(append(append(dst, "X-Amzn-Apigateway-Api-Id: "...), x.Scope.API...), "\r\n"...)
	dst = append(append(append(dst, "X-Amzn-Trace-Id: "...), x.Trace.Header...), "\r\n"...)
	if o.traceparent != "" && !m.has("traceparent") {
		dst = append(append(append(dst, "traceparent: "...), o.traceparent...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

func bodiless(method string) bool { return method == "GET" || method == "HEAD" || method == "OPTIONS" }

// bodyVerb: these carry a length even when it is zero.
func bodyVerb(method string) bool { return method == "POST" || method == "PUT" || method == "PATCH" }

// appendClientHeaders passes the client's headers on, in their order and spelling, without those that never reach an
// HTTP_PROXY backend and those that a mapping replaces.
func appendClientHeaders(dst []byte, x *exchange.Exchange, o *outgoing, m *mapped) []byte {
	agent := m.has("user-agent")
	for _, h := range x.Request.Headers {
		if !passesToProxy(h.Name) || x.Withheld(h.Name, h.Value) || m.has(h.Name) || o.traceparent != "" && strings.EqualFold(h.Name, "traceparent") {
			continue
		}
		if len(h.Name) == 10 && strings.EqualFold(h.Name, "user-agent") {
			agent = true
		}
		dst = http1.AppendField(dst, h.Name, h.Value)
	}
	if !agent {
		dst = append(append(append(dst, "User-Agent: AmazonAPIGateway_"...), x.Scope.API...), "\r\n"...)
	}
	return dst
}

func passesToProxy(name string) bool {
	switch len(name) {
	case 3:
		if strings.EqualFold(name, "via") {
			return false
		}
	case 4:
		if strings.EqualFold(name, "host") {
			return false
		}
	case 10:
		if strings.EqualFold(name, "keep-alive") {
			return false
		}
	case 15:
		if strings.EqualFold(name, "x-amzn-trace-id") {
			return false
		}
	case 16:
		if strings.EqualFold(name, "content-encoding") {
			return false
		}
	case 22:
		if strings.EqualFold(name, "x-http-method-override") {
			return false // consumed by routing (spec/rest.md 1.2)
		}
	}
	return !exchange.HiddenFromMapping(name)
}

// mapped are the header mappings of an integration for one request.
type mapped struct {
	in     *exchange.Integration
	values exchange.Values
}

// overridden reports whether a template has set the header.
func (m *mapped) overridden(name string) bool {
	list := m.values.X.Overrides.Header
	for i := range list {
		if strings.EqualFold(list[i].Name, name) {
			return true
		}
	}
	return false
}

// has reports whether a mapping yields the header; a mapping with an empty source does not (spec/rest.md 4.4).
func (m *mapped) has(name string) bool {
	if m.overridden(name) {
		return true
	}
	for i := range m.in.Parameters {
		p := &m.in.Parameters[i]
		if p.Place == exchange.PlaceHeader && len(p.Name) == len(name) && strings.EqualFold(p.Name, name) && p.Source.Eval(m.values) != "" {
			return true
		}
	}
	return false
}

func (m *mapped) appendDefault(dst []byte, name, value string) []byte {
	if m.has(name) {
		return dst
	}
	return http1.AppendField(dst, name, value)
}

func (m *mapped) append(dst []byte) []byte {
	for i := range m.in.Parameters {
		p := &m.in.Parameters[i]
		if p.Place != exchange.PlaceHeader || strings.EqualFold(p.Name, "via") || m.overridden(p.Name) {
			continue
		}
		if value := p.Source.Eval(m.values); value != "" {
			dst = http1.AppendField(dst, p.Name, value)
		}
	}
	for _, o := range m.values.X.Overrides.Header {
		if !strings.EqualFold(o.Name, "via") {
			dst = http1.AppendField(dst, o.Name, o.Joined())
		}
	}
	return dst
}

// proxyResponse passes a backend's answer to the client (spec/rest.md 4.9).
func proxyResponse(x *exchange.Exchange) {
	contentType, coded := "", false
	for _, h := range x.Backend.Headers {
		switch {
		case strings.EqualFold(h.Name, "content-type"):
			contentType = h.Value
		case strings.EqualFold(h.Name, "content-encoding"):
			coded = !strings.EqualFold(h.Value, "identity")
		}
	}
	for _, h := range x.Backend.Headers {
		if name, ok := RemappedName(x, h.Name, true); ok {
			x.AddResponseHeader(name, h.Value)
		}
	}
	if contentType == "" && x.Backend.Status != 204 && x.Backend.Status != 304 {
		x.AddResponseHeader("Content-Type", "application/json") // trap 35
	}
	x.Response.Status, x.Response.Body = x.Backend.Status, x.Backend.Body
	// Without a binary type that matches, bodies are UTF-8 text (spec/rest.md 4.6). A compressed one is left alone: it
	// announces itself, and could only be destroyed.
	if !coded && !x.Scope.BinaryMediaTypes.Match(contentType) {
		x.Response.Body = mapping.ToText(x.Backend.Body)
	}
}

func invalidEndpoint(x *exchange.Exchange, uri string, err error) error {
	x.Record.Add(executionlog.PhaseIntegration, executionlog.InvalidEndpoint, uri, err.Error())
	return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
}

func forbidden(x *exchange.Exchange, in *exchange.Integration) error {
	x.Record.Add(executionlog.PhaseIntegrationRequest, executionlog.MappingForbidden, in.Forbidden, string(in.Type))
	return gatewayresponse.New(gatewayresponse.APIConfigurationError, nil)
}

// backendFailure names the answer to a call that failed (spec/rest.md 4.8).
func backendFailure(x *exchange.Exchange, uri string, err error) error {
	var unreadable *http1.Error
	var dns *net.DNSError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.BackendTimeout, x.Method.Integration.Timeout.Milliseconds(), uri)
		return gatewayresponse.New(gatewayresponse.IntegrationTimeout, err)
	case errors.As(err, &dns) && dns.IsNotFound:
		return invalidEndpoint(x, uri, err)
	case errors.As(err, &unreadable) && unreadable.Status == 413:
		x.Record.AddNumber(executionlog.PhaseIntegration, executionlog.BackendTooLarge, maxAnswer, uri)
		return gatewayresponse.New(gatewayresponse.APIConfigurationError, err)
	case errors.As(err, &unreadable):
		x.Record.Add(executionlog.PhaseIntegration, executionlog.BackendMalformed, uri, unreadable.Reason)
	default:
		x.Record.Add(executionlog.PhaseIntegration, executionlog.BackendUnreachable, uri, err.Error())
	}
	return gatewayresponse.New(gatewayresponse.IntegrationFailure, err)
}
