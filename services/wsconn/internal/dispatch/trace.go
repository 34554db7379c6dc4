package dispatch

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/platform/xray"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// openSpan begins the span of an event of a connection whose handshake was traced: frames carry no trace of their own, so
// that all events of a connection belong to its handshake's. It is nil for others.
func (d *Dispatcher) openSpan(ctx context.Context, h *wsconnv1.Handoff, event string) (context.Context, trace.Span) {
	if d.c.Traces == nil || h.GetTrace() == "" {
		return ctx, nil
	}
	ctx = trace.ContextWithRemoteSpanContext(ctx, xray.Parse(h.GetTrace()).Context())
	return d.c.Traces.Tracer("limen/wsconn").Start(ctx, event, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		semconv.NetworkProtocolName("websocket"), semconv.ClientAddress(h.GetSourceIp()),
		attribute.String("aws.api_gateway.rest_api_id", h.GetApiId()), attribute.String("aws.api_gateway.stage", h.GetStage()),
		attribute.String("limen.connection_id", h.GetConnectionId())))
}

func closeSpan(s trace.Span, err error) {
	if s == nil {
		return
	}
	if err != nil {
		s.SetStatus(codes.Error, "no edge took it")
	}
	s.End()
}
