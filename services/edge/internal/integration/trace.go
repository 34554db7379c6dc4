package integration

import (
	"context"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// openSpan begins the span of a call to an HTTP backend, below that of the request; nil when that has none. uri has no
// query string. The backend learns of the span by traceparent, and of the client's by X-Amzn-Trace-Id, as with AWS.
func openSpan(ctx context.Context, x *exchange.Exchange, o *outgoing, uri string) trace.Span {
	if x.Span == nil {
		return nil
	}
	name := strings.Clone(o.method)
	_, span := x.Span.TracerProvider().Tracer("limen/edge").Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(name), semconv.URLFull(strings.Clone(uri)), semconv.ServerAddress(strings.Clone(o.endpoint.name))))
	c := span.SpanContext()
	o.traceparent = "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-" + c.TraceFlags().String()
	return span
}

func closeSpan(s trace.Span, x *exchange.Exchange, err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.SetStatus(codes.Error, strings.Clone(err.Error()))
	} else {
		s.SetAttributes(semconv.HTTPResponseStatusCode(x.Backend.Status))
		if x.Backend.Status >= 400 {
			s.SetAttributes(semconv.ErrorTypeKey.String(strconv.Itoa(x.Backend.Status)))
			s.SetStatus(codes.Error, "")
		}
	}
	s.End()
}
