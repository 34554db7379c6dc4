package functions

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/xray"
)

// openSpan begins the caller's span of an invocation inside a trace that is recorded, and names it to the function; nil
// when nothing is recorded, and the function gets what the options say.
func openSpan(ctx context.Context, f arn.Function, o *Options) (context.Context, trace.Span) {
	around := trace.SpanFromContext(ctx)
	if !around.IsRecording() {
		return ctx, nil
	}
	ctx, span := around.TracerProvider().Tracer("limen/functions").Start(ctx, "invoke "+f.Name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.FaaSInvokedName(f.Name), semconv.FaaSInvokedProviderAWS, semconv.FaaSInvokedRegion(f.Region)))
	o.TraceID = xray.Format(span.SpanContext())
	return ctx, span
}

func closeSpan(s trace.Span, r Result, err error) {
	if s == nil {
		return
	}
	RecordOutcome(s, r, err)
	s.End()
}

// RecordOutcome puts what became of an invocation into its span. What a function says of its failure may hold what it was
// given, and stays out.
func RecordOutcome(s trace.Span, r Result, err error) {
	var failure *Error
	switch {
	case errors.As(err, &failure):
		s.SetAttributes(semconv.ErrorTypeKey.String(failure.Kind.String()))
		s.SetStatus(codes.Error, "the function was not invoked")
	case err != nil:
		s.SetStatus(codes.Error, "the function was not invoked")
	case r.FunctionError != "":
		s.SetAttributes(semconv.ErrorTypeKey.String(r.FunctionError))
		s.SetStatus(codes.Error, "the function failed")
	}
	if r.RequestID != "" {
		s.SetAttributes(semconv.FaaSInvocationID(r.RequestID))
	}
}
