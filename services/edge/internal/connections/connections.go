// Package connections is the @connections API at the edge: backends post to an open WebSocket connection, look at it, or end
// it (spec/websocket.md 21). Signatures are proved by authz; who owns the connection answers over platform/connections.
//
// The surprise: GoneException is status 410 with no body at all.
package connections

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/platform/connections"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// maxBody is the largest message (spec/websocket.md 5).
const maxBody = 128 << 10

// Asker asks the owner of a connection. Its only error is connections.ErrUnknown.
type Asker interface {
	Ask(ctx context.Context, r *wsconnv1.Request) (*wsconnv1.Answer, error)
}

// API answers calls of @connections. Without Authz nobody passes; without Asker nothing is known of any connection.
type API struct {
	Authz authzv1.AuthzClient
	Asker Asker
}

// refusal is an answer that is not success.
type refusal struct {
	status    int
	errorType string
	message   string
	capital   bool // the key is Message
	ids       bool // connectionId and requestId follow
	code      executionlog.Code
	why       []string
}

// Serve answers the exchange if its path is one of @connections. x.Scope says which API and stage it is.
func (a *API) Serve(ctx context.Context, x *exchange.Exchange) bool {
	rest, ok := strings.CutPrefix(x.Target.Path, "/@connections/")
	if !ok {
		if rest, ok = strings.CutPrefix(x.Target.Path, "/%40connections/"); !ok {
			return false
		}
	}
	x.Record.Resource = "/@connections/{connectionId}"
	id := strings.Clone(x.Decode(rest, false))
	answer, refused := a.call(ctx, x, id)
	if refused != nil {
		refused.write(x, id)
		return true
	}
	x.Record.Add(executionlog.PhaseIntegration, executionlog.ConnectionReached, x.Request.Method, id)
	switch x.Request.Method {
	case http.MethodGet:
		x.AddResponseHeader("Content-Type", "application/json")
		x.Response.Status, x.Response.Body = http.StatusOK, appendConnection(nil, answer)
	case http.MethodDelete:
		x.Response.Status = http.StatusNoContent
	default:
		x.Response.Status = http.StatusOK
	}
	return true
}

func (a *API) call(ctx context.Context, x *exchange.Exchange, id string) (*wsconnv1.Answer, *refusal) {
	req := &wsconnv1.Request{ConnectionId: id, Account: x.Scope.Account, ApiId: x.Scope.API, Stage: x.Scope.Stage}
	switch x.Request.Method {
	case http.MethodPost:
		req.What = &wsconnv1.Request_Post{Post: &wsconnv1.Post{Data: x.Request.Body}}
	case http.MethodGet:
		req.What = &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}
	case http.MethodDelete:
		req.What = &wsconnv1.Request_Delete{Delete: &wsconnv1.Delete{}}
	default:
		return nil, &refusal{status: 403, errorType: "MissingAuthenticationTokenException", message: "Missing Authentication Token",
			code: executionlog.WrongMethod, why: []string{"/@connections/{connectionId}", x.Request.Method, "POST, GET, DELETE"}}
	}
	if r := a.authorize(ctx, x); r != nil {
		return nil, r
	}
	switch {
	case !connections.IsID(id):
		return nil, &refusal{status: 400, errorType: "BadRequestException", message: "Invalid connectionId: " + id, ids: true, code: executionlog.BadRequest, why: []string{"the connection id is malformed"}}
	case len(x.Request.Body) > maxBody:
		return nil, tooLarge()
	case !utf8.Valid(x.Request.Body):
		return nil, &refusal{status: 400, errorType: "BadRequestException", message: "The message is not valid UTF-8", ids: true, code: executionlog.BadRequest, why: []string{"the message is not valid UTF-8"}}
	}
	if a.Asker == nil {
		return nil, outcome(id, nil, connections.ErrUnknown) // connections may be open where this edge cannot look
	}
	answer, err := a.Asker.Ask(ctx, req)
	return answer, outcome(id, answer, err)
}

func tooLarge() *refusal {
	return &refusal{status: 413, errorType: "PayloadTooLargeException", message: "Message too long", ids: true, code: executionlog.TooLarge, why: []string{"a message has at most 131072 bytes"}}
}

func gone(id string) *refusal {
	return &refusal{status: 410, errorType: "GoneException", code: executionlog.ConnectionGone, why: []string{id}}
}

func outcome(id string, a *wsconnv1.Answer, err error) *refusal {
	switch {
	case errors.Is(err, connections.ErrUnknown):
		return &refusal{status: 503, errorType: "ServiceUnavailableException", message: "Service Unavailable", code: executionlog.ConnectionUnknown, why: []string{id}}
	case err != nil:
		return &refusal{status: 500, errorType: "InternalServerErrorException", message: "Internal server error", code: executionlog.Failed, why: []string{"integration", err.Error()}}
	}
	switch a.GetOutcome() {
	case wsconnv1.Outcome_OUTCOME_DONE:
		return nil
	case wsconnv1.Outcome_OUTCOME_FULL:
		return &refusal{status: 429, errorType: "LimitExceededException", message: "Too Many Requests", ids: true, code: executionlog.ConnectionFull, why: []string{id}}
	case wsconnv1.Outcome_OUTCOME_TOO_BIG:
		return tooLarge()
	}
	return gone(id)
}

// authorize lets the root key of the owning account pass.
func (a *API) authorize(ctx context.Context, x *exchange.Exchange) *refusal {
	broken := func(why string) *refusal {
		return &refusal{status: 500, errorType: "InternalServerErrorException", message: "Internal server error", code: executionlog.AuthorizerBroken, why: []string{"of signatures", why}}
	}
	if a.Authz == nil {
		return broken("this edge has no authz")
	}
	res, err := a.Authz.VerifySignature(ctx, x.SignedRequest())
	if err != nil {
		return broken("authz did not answer: " + err.Error())
	}
	if res.GetErrorType() != "" {
		return &refusal{status: 403, errorType: res.GetErrorType(), message: string(res.GetErrorMessage()), code: executionlog.SignatureRefused, why: []string{string(res.GetReason())}}
	}
	s := x.Scope
	if res.GetAccount() != s.Account {
		resource := "arn:" + arn.Partition(s.Region) + ":execute-api:" + s.Region + ":" + arn.MaskAccount(s.Account) + ":" + s.API + "/" + s.Stage + "/" + x.Request.Method + "/@connections/{connectionId}"
		return &refusal{status: 403, errorType: "AccessDeniedException", capital: true, code: executionlog.NotOwner, why: []string{res.GetArn()},
			message: "User: " + res.GetArn() + " is not authorized to perform: execute-api:ManageConnections on resource: " + resource}
	}
	return nil
}

func (r *refusal) write(x *exchange.Exchange, id string) {
	x.Record.Add(executionlog.PhaseIntegration, r.code, r.why...)
	x.AddResponseHeader("x-amzn-ErrorType", r.errorType)
	x.Response.Status = r.status
	if r.status == http.StatusServiceUnavailable {
		x.AddResponseHeader("Retry-After", "2")
	}
	if r.message == "" {
		return
	}
	x.AddResponseHeader("Content-Type", "application/json")
	key := `{"message":`
	if r.capital {
		key = `{"Message":`
	}
	body := gatewayresponse.AppendJSONString([]byte(key), r.message)
	if r.ids {
		body = gatewayresponse.AppendJSONString(append(body, `,"connectionId":`...), id)
		body = gatewayresponse.AppendJSONString(append(body, `,"requestId":`...), x.RequestID)
	}
	x.Response.Body = append(body, '}')
}

// appendConnection writes what GET tells of a connection.
func appendConnection(dst []byte, a *wsconnv1.Answer) []byte {
	dst = appendTime(append(dst, `{"connectedAt":"`...), a.GetConnectedAtUnixMilli())
	dst = gatewayresponse.AppendJSONString(append(dst, `","identity":{"sourceIp":`...), a.GetSourceIp())
	if agent := string(a.GetUserAgent()); agent != "" {
		dst = gatewayresponse.AppendJSONString(append(dst, `,"userAgent":`...), agent)
	}
	dst = appendTime(append(dst, `},"lastActiveAt":"`...), a.GetLastActiveAtUnixMilli())
	return append(dst, `"}`...)
}

func appendTime(dst []byte, unixMilli int64) []byte {
	return time.UnixMilli(unixMilli).UTC().AppendFormat(dst, time.RFC3339)
}
