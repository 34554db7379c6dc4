package integration

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// SocketProxy invokes a function with a WebSocket event. The response is complete afterwards when answered says that
// somebody looks at it; else any answer but a failure will do (spec/websocket.md 8).
func (c *Caller) SocketProxy(ctx context.Context, x *exchange.Exchange, answered bool) error {
	name, err := c.function(x)
	if err != nil {
		return err
	}
	payload, err := c.invoke(ctx, x, name, event.AppendSocket(nil, socketEvent(x)))
	if err != nil || !answered {
		return err
	}
	return socketResponse(x, name, payload)
}

var errNoStatus = errors.New("no statusCode")

// socketResponse takes over a function's answer. Unlike REST APIs, WebSocket APIs want a status in it.
func socketResponse(x *exchange.Exchange, name string, payload []byte) error {
	answer, err := event.ParseResult(payload)
	if err != nil {
		return malformed(x, name, err)
	}
	var members struct {
		StatusCode json.RawMessage `json:"statusCode"`
	}
	if json.Unmarshal(payload, &members) != nil || len(members.StatusCode) == 0 {
		return malformed(x, name, errNoStatus)
	}
	// Frames are text: a body in base64 is sent decoded.
	if x.Response.Body, err = answer.Decoded(); err != nil {
		return malformed(x, name, err)
	}
	for _, h := range answer.Headers {
		if strings.EqualFold(h.Name, "sec-websocket-protocol") {
			x.Socket.Subprotocol = h.Value
		}
	}
	x.Backend.Status, x.Response.Status = answer.StatusCode, answer.StatusCode
	x.Record.AddNumber(executionlog.PhaseIntegrationResponse, executionlog.SocketStatus, int64(answer.StatusCode), name)
	return nil
}

// SocketAuthorizerEvent is the event of the authorizer of $connect.
func SocketAuthorizerEvent(x *exchange.Exchange, methodARN string) []byte {
	facts := socketEvent(x)
	facts.Headers = connectHeaders(x, true)
	return event.AppendSocketAuthorizer(nil, facts, methodARN)
}

func socketEvent(x *exchange.Exchange) *event.Socket {
	s := x.Socket
	out := &event.Socket{
		Type: s.Event, RouteKey: x.Method.ResourcePath, MessageID: s.MessageID, RequestID: x.RequestID, RequestTime: x.Request.Received,
		ConnectedAt: s.ConnectedAt, ConnectionID: s.ConnectionID, DomainName: x.DomainName, Stage: x.Scope.Stage, APIID: x.Scope.API,
		SourceIP: x.SourceIP(), UserAgent: s.UserAgent, APIKey: x.APIKey, APIKeyID: x.APIKeyID,
		AccessKey: x.Caller.AccessKey, AccountID: x.Caller.Account, Caller: x.Caller.ID, User: x.Caller.ID, UserARN: x.Caller.ARN, Authorizer: x.Authorizer, StageVariables: stageVariables(x.Scope),
		DisconnectCode: s.DisconnectCode, DisconnectReason: s.DisconnectReason,
	}
	switch s.Event {
	case event.Connect:
		out.Headers, out.Query = connectHeaders(x, false), x.Query()
	case event.Message:
		out.Body = exchange.View(x.Request.Body)
	}
	return out
}

// connectHeaders are the client's headers with the forwarding ones; those of the upgrade itself only an authorizer sees
// (spec/websocket.md 8).
func connectHeaders(x *exchange.Exchange, upgrade bool) []exchange.Field {
	out := make([]exchange.Field, 0, len(x.Request.Headers)+4)
	forwarded := ""
	for _, h := range x.Request.Headers {
		switch {
		case strings.EqualFold(h.Name, "x-forwarded-for"):
			forwarded = h.Value
		case strings.EqualFold(h.Name, "x-forwarded-port"), strings.EqualFold(h.Name, "x-forwarded-proto"), strings.EqualFold(h.Name, "x-amzn-trace-id"):
		case strings.EqualFold(h.Name, "connection"), strings.EqualFold(h.Name, "upgrade"):
			if upgrade {
				out = append(out, h)
			}
		case x.Withheld(h.Name, h.Value):
		case strings.EqualFold(h.Name, "host"):
			out = append(out, exchange.Field{Name: "Host", Value: h.Value})
		default:
			out = append(out, h)
		}
	}
	return forwarding(out, x, forwarded)
}
