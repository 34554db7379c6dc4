package host

import (
	"context"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/xray"
)

// openSpan begins the span of a function's run, below what the invocation names, and names it to the function in its turn;
// nil when nothing is recorded. The trace comes in the Lambda form, whoever invokes.
func (h *Host) openSpan(ctx context.Context, f arn.Function, o *functions.Options) trace.Span {
	around := xray.Parse(o.TraceID).Context()
	if h.config.Traces == nil || !around.IsValid() || !around.IsSampled() {
		return nil
	}
	_, span := h.config.Traces.Tracer("limen/functions").Start(trace.ContextWithRemoteSpanContext(ctx, around), f.Name,
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(semconv.FaaSName(f.Name), semconv.CloudResourceID(f.String())))
	o.TraceID = xray.Format(span.SpanContext())
	return span
}

func closeSpan(s trace.Span, r functions.Result, err error) {
	if s == nil {
		return
	}
	if r.ExecutedVersion != "" {
		s.SetAttributes(semconv.FaaSVersion(r.ExecutedVersion))
	}
	functions.RecordOutcome(s, r, err)
	s.End()
}
