package rpc

import (
	"context"
	"maps"
	"slices"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"
)

// Traces cross with a call as they do in HTTP, in the W3C form: the span that is open at the caller is the parent of what
// the handler opens. Nothing is added to a call outside a trace.

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
