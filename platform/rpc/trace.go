package rpc

import (
	"context"
	"maps"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Traces cross with a call as they do in HTTP, in the W3C form. A call inside a trace that is recorded has a span at the
// caller, and one below it at the server. Nothing is added to a call outside a trace. Streams last longer than what they
// are begun for: they carry the trace and have no spans.

const tracerName = "limen/rpc"

// openSpan begins the caller's span of a call; nil when nothing is recorded. Whoever gets one closes it.
func openSpan(ctx context.Context, full string) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, nil
	}
	return startSpan(ctx, around.TracerProvider(), full, trace.SpanKindClient)
}

// openServerSpan is openSpan at the server; p may be nil.
func openServerSpan(ctx context.Context, p trace.TracerProvider, full string) (context.Context, trace.Span) {
	if p == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return ctx, nil
	}
	return startSpan(ctx, p, full, trace.SpanKindServer)
}

func startSpan(ctx context.Context, p trace.TracerProvider, full string, kind trace.SpanKind) (context.Context, trace.Span) {
	name := strings.TrimPrefix(full, "/")
	return p.Tracer(tracerName).Start(ctx, name, trace.WithSpanKind(kind), trace.WithAttributes(semconv.RPCSystemNameGRPC, semconv.RPCMethod(name)))
}

// closeSpan ends a span with the outcome of its call; it may be nil.
func closeSpan(s trace.Span, err error) {
	if s == nil {
		return
	}
	code := status.Code(err)
	s.SetAttributes(semconv.RPCResponseStatusCode(code.String()))
	if err != nil {
		s.SetAttributes(semconv.ErrorTypeKey.String(code.String()))
		s.SetStatus(codes.Error, status.Convert(err).Message())
	}
	s.End()
}

// carrier lets the propagator read and write metadata.
type carrier metadata.MD

func (c carrier) Get(key string) string {
	if v := metadata.MD(c).Get(key); len(v) > 0 {
		return v[0]
	}
	return ""
}

func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

func (c carrier) Keys() []string { return slices.Collect(maps.Keys(c)) }

// traced adds the open span of ctx to md, which may be nil.
func traced(ctx context.Context, md metadata.MD) metadata.MD {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return md
	}
	if md == nil {
		md = metadata.MD{}
	}
	propagation.TraceContext{}.Inject(ctx, carrier(md))
	return md
}

// traceOf puts the span of the caller, if it sent one, into the handler's context.
func traceOf(ctx context.Context) context.Context {
	if metadata.ValueFromIncomingContext(ctx, "traceparent") == nil {
		return ctx
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return propagation.TraceContext{}.Extract(ctx, carrier(md))
}
