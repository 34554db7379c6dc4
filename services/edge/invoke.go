package edge

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/executionlog"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/listener"
	"github.com/limen-gateway/limen/services/edge/internal/plan"
)

// Invoke runs a WebSocket event of a connection that a wsconn node owns, or is about to own.
func (s *Service) Invoke(ctx context.Context, r *edgev1.InvokeRequest) (*edgev1.InvokeResponse, error) {
	x := exchange.New()
	defer x.Release()
	x.Request.Received = time.Now()
	if c := r.GetConnect(); c != nil {
		setConnect(x, c)
		listener.Forwarded(s.config.ForwardedFrom).Apply(&x.Request)
		x.AssignIDs(s.plans.Number())
		x.Record.Add(executionlog.PhaseReceive, executionlog.Received, x.Request.Method, x.Request.Path, x.Request.Protocol, x.SourceIP())
		return s.connect(s.tracing.begin(ctx, x), x, r.GetConnectionId()), nil
	}
	x.AssignIDs(s.plans.Number())
	x.Record.Start = x.Request.Received
	ctx = s.tracing.resume(ctx, x)
	err := s.plans.Event(ctx, x, r)
	if err != nil && !errors.Is(err, plan.ErrWithdrawn) {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	s.closed(x)
	out := &edgev1.InvokeResponse{}
	switch {
	case err != nil:
		out.Outcome = &edgev1.InvokeResponse_Withdrawn{Withdrawn: &edgev1.Withdrawn{}}
	case x.Socket.Reply != nil && r.GetMessage() != nil:
		out.Outcome = &edgev1.InvokeResponse_Reply{Reply: bytes.Clone(x.Socket.Reply)}
	}
	return out, nil
}

// setConnect makes the exchange of a handshake that this edge did not receive itself.
func setConnect(x *exchange.Exchange, c *edgev1.Connect) {
	q := &x.Request
	q.Method, q.Protocol, q.Host, q.Target, q.LocalPort = "GET", "HTTP/1.1", c.GetHost(), c.GetTarget(), uint16(c.GetLocalPort())
	q.Path, q.RawQuery, _ = strings.Cut(q.Target, "?")
	q.Remote, _ = netip.ParseAddrPort(c.GetRemote())
	if c.GetTls() {
		q.TLS = &tls.ConnectionState{}
	}
	for _, h := range c.GetHeaders() {
		q.Headers = append(q.Headers, exchange.Field{Name: h.GetName(), Value: string(h.GetValue())})
	}
	x.Record.Method, x.Record.Path, x.Record.Start = q.Method, q.Path, q.Received
}

func (s *Service) connect(ctx context.Context, x *exchange.Exchange, id string) *edgev1.InvokeResponse {
	h := s.plans.Connect(ctx, x, id)
	if h != nil {
		x.Response.Status = 101
		s.closed(x)
		return &edgev1.InvokeResponse{Outcome: &edgev1.InvokeResponse_Connected{Connected: h}}
	}
	s.closed(x)
	out := &edgev1.Refusal{Status: int32(x.Response.Status), Body: bytes.Clone(x.Response.Body)}
	for _, f := range x.Response.Headers {
		out.Headers = append(out.Headers, &edgev1.Header{Name: strings.Clone(f.Name), Value: []byte(f.Value)})
	}
	out.Headers = append(out.Headers, &edgev1.Header{Name: "x-amzn-RequestId", Value: []byte(x.RequestID)},
		&edgev1.Header{Name: "x-amz-apigw-id", Value: []byte(x.ExtendedID)})
	return &edgev1.InvokeResponse{Outcome: &edgev1.InvokeResponse_Refused{Refused: out}}
}

// closed closes the books of an event as the listener does those of a request.
func (s *Service) closed(x *exchange.Exchange) {
	r := &x.Record
	r.Status, r.Latency = x.Response.Status, time.Since(x.Request.Received)
	if x.Socket != nil {
		r.Bytes = len(x.Socket.Reply)
	}
	door{s}.Closed(x)
}
