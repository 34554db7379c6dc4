package edge

import (
	"context"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/platform/xray"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// tracing opens and closes the spans of requests. A request whose trace is not recorded has none, and pays for one
// comparison.
type tracing struct {
	tracer   trace.Tracer // nil records nothing
	sampling telemetry.Sampling
}

func newTracing(p trace.TracerProvider, s telemetry.Sampling) tracing {
	if p == nil {
		return tracing{}
	}
	return tracing{p.Tracer("limen/edge"), s}
}

// begin opens the span of a request when its caller asks for it or, where the caller says nothing, when it is picked.
func (t *tracing) begin(ctx context.Context, x *exchange.Exchange) context.Context {
	if t.tracer == nil || x.Trace.Given.Sampled == "0" {
		return ctx
	}
	around := x.Trace.Context()
	if x.Trace.Given.Sampled == "" && !t.sampling.Picks(around.TraceID()) {
		return ctx
	}
	around = around.WithTraceFlags(around.TraceFlags() | trace.FlagsSampled)
	return t.open(trace.ContextWithRemoteSpanContext(ctx, around), x, trace.SpanKindServer)
}

// resume opens the span of an event below that of its connection, whose node has decided. The event is then of the same
// trace as its connection.
func (t *tracing) resume(ctx context.Context, x *exchange.Exchange) context.Context {
	around := trace.SpanContextFromContext(ctx)
	if t.tracer == nil || !around.IsSampled() {
		return ctx
	}
	ctx = t.open(ctx, x, trace.SpanKindInternal)
	x.Trace.Set(xray.Of(x.Span.SpanContext()))
	x.Record.Trace = x.Trace.Root
	return ctx
}

func (t *tracing) open(ctx context.Context, x *exchange.Exchange, kind trace.SpanKind) context.Context {
	ctx, x.Span = t.tracer.Start(ctx, "request", trace.WithSpanKind(kind), trace.WithTimestamp(x.Request.Received))
	return ctx
}

// end closes the span of a request whose record is complete. It outlives the request's memory, so that all text is cloned.
func (t *tracing) end(x *exchange.Exchange) {
	if x.Span == nil {
		return
	}
	r := &x.Record
	x.Span.SetAttributes(facts(x)...)
	if cause, ok := r.Cause(); ok {
		x.Span.SetAttributes(attribute.String("limen.cause", cause.Text()))
	}
	if r.Status >= 500 {
		x.Span.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(r.Status)))
		x.Span.SetStatus(codes.Error, "")
	}
	x.Span.SetName(spanName(x))
	x.Span.End(trace.WithTimestamp(r.Start.Add(r.Latency)))
}

// spanName is what requests have in common: the verb and the template of the route.
func spanName(x *exchange.Exchange) string {
	name := strings.Clone(x.Record.Method)
	if x.Method == nil {
		return name
	}
	return name + " " + x.Method.ResourcePath
}

// facts are OpenTelemetry's names for what it knows, and those of X-Ray (spec/rest.md 12.5) for the rest.
func facts(x *exchange.Exchange) []attribute.KeyValue {
	r := &x.Record
	out := []attribute.KeyValue{
		semconv.URLPath(strings.Clone(r.Path)), semconv.ClientAddress(strings.Clone(r.Source)),
		semconv.HTTPResponseStatusCode(r.Status), semconv.HTTPResponseBodySize(r.Bytes), semconv.ServerAddress(strings.Clone(x.DomainName)),
		attribute.String("aws.api_gateway.account_id", strings.Clone(r.Account)), attribute.String("aws.api_gateway.rest_api_id", strings.Clone(r.API)),
		attribute.String("aws.api_gateway.stage", strings.Clone(r.Stage)), attribute.String("aws.api_gateway.request_id", strings.Clone(r.RequestID)),
		attribute.String("limen.extended_request_id", strings.Clone(r.ExtendedID)),
	}
	if x.Method != nil {
		out = append(out, semconv.HTTPRoute(x.Method.ResourcePath))
	}
	if x.Socket != nil {
		out = append(out, attribute.String("limen.connection_id", strings.Clone(x.Socket.ConnectionID)))
	}
	if x.Request.Protocol == "" {
		return out // an event, which came in no request
	}
	return append(out, semconv.HTTPRequestMethodKey.String(strings.Clone(r.Method)), semconv.URLScheme(x.Request.Scheme()),
		semconv.NetworkProtocolVersion(strings.TrimPrefix(strings.Clone(x.Request.Protocol), "HTTP/")),
		semconv.UserAgentOriginal(strings.Clone(x.HeaderFold("user-agent"))))
}
