package plan

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/platform/xray"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// Nodes own WebSocket connections.
type Nodes interface {
	// Reserve finds a place for a connection that is about to open; nil when no node gives one.
	Reserve(ctx context.Context) Place
}

// Place is kept for one connection. It ends by Take or Release.
type Place interface {
	// ID is the connection's.
	ID() string
	// Open hands over what passed $connect; key is its Sec-WebSocket-Key. After an error no node has the connection.
	Open(h *wsconnv1.Handoff, key string) error
	// Take takes over the connection itself, behind head, which was read from it already. It must not block.
	Take(c net.Conn, head []byte)
	Release()
}

// serveSocket answers an HTTP request to a WebSocket API: a call of the @connections API, or a handshake.
func (p *Plans) serveSocket(ctx context.Context, x *exchange.Exchange, s *stage) {
	if p.cfg.Connections != nil && p.cfg.Connections.Serve(ctx, x) {
		return
	}
	key, err := handshake(x)
	if err != nil {
		fail(x, err)
		return
	}
	var place Place
	if p.cfg.Nodes != nil {
		place = p.cfg.Nodes.Reserve(ctx)
	}
	if place == nil {
		x.Record.Add(executionlog.PhaseReceive, executionlog.NoNode)
		fail(x, gatewayresponse.Unavailable(nil))
		return
	}
	if h, err := p.open(ctx, x, s, place, strings.Clone(key)); err != nil {
		p.unopened(ctx, x, h, err)
	}
}

// open runs $connect and, when that lets the connection in, has the node of the place open it; the error is the node's. A place
// that no connection takes is given back, after a defect too.
func (p *Plans) open(ctx context.Context, x *exchange.Exchange, s *stage, place Place, key string) (h *wsconnv1.Handoff, err error) {
	defer func() {
		if x.Handover == nil {
			place.Release()
		}
	}()
	if h = p.connect(ctx, x, s, place.ID()); h == nil {
		return nil, nil
	}
	if err := place.Open(h, key); err != nil {
		return h, err
	}
	x.Response.Status, x.Handover = http.StatusSwitchingProtocols, place.Take
	return h, nil
}

// unopened answers a handshake that passed $connect and found its node gone. What $connect began, $disconnect ends.
func (p *Plans) unopened(ctx context.Context, x *exchange.Exchange, h *wsconnv1.Handoff, err error) {
	x.Record.Add(executionlog.PhaseIntegrationResponse, executionlog.NodeLost, err.Error())
	p.cfg.Disconnect(ctx, h)
	failSocket(x, gatewayresponse.Unavailable(err))
}

// handshake checks that the request asks for a connection, and returns its key.
func handshake(x *exchange.Exchange) (key string, err error) {
	refuse := func(status int, what string) error {
		x.Record.Add(executionlog.PhaseReceive, executionlog.NoHandshake, what)
		return &gatewayresponse.Error{Type: gatewayresponse.Default4XX, Status: status, Message: http.StatusText(status), ErrorType: "BadRequestException"}
	}
	if x.Target.Path != "/" {
		x.Record.Add(executionlog.PhaseRoute, executionlog.WrongPath, x.Target.API, x.Target.Stage, x.Target.Path)
		return "", gatewayresponse.Forbidden(nil)
	}
	key = x.HeaderFold("sec-websocket-key")
	raw, decodeErr := base64.StdEncoding.DecodeString(key)
	switch {
	case x.Request.Protocol != "HTTP/1.1", x.Request.Method != http.MethodGet,
		!hasToken(x, "connection", "upgrade"), !hasToken(x, "upgrade", "websocket"):
		return "", refuse(http.StatusUpgradeRequired, "the request does not ask for the upgrade to a WebSocket")
	case x.HeaderFold("sec-websocket-version") != "13":
		return "", refuse(http.StatusBadRequest, "Sec-WebSocket-Version is not 13")
	case decodeErr != nil || len(raw) != 16:
		return "", refuse(http.StatusBadRequest, "Sec-WebSocket-Key is not 16 bytes in base64")
	case len(x.Request.Body) > 0:
		return "", refuse(http.StatusBadRequest, "a handshake has no body")
	}
	return key, nil
}

func hasToken(x *exchange.Exchange, header, token string) bool {
	for _, h := range x.Request.Headers {
		if !strings.EqualFold(h.Name, header) {
			continue
		}
		for part := range strings.SplitSeq(h.Value, ",") {
			if strings.EqualFold(strings.Trim(part, " \t"), token) {
				return true
			}
		}
	}
	return false
}

// connect runs $connect. It returns nil when the connection is refused; the response is complete then.
func (p *Plans) connect(ctx context.Context, x *exchange.Exchange, s *stage, id string) *wsconnv1.Handoff {
	x.Socket = &exchange.Socket{Event: event.Connect, ConnectionID: id, ConnectedAt: x.Request.Received, UserAgent: x.HeaderFold("user-agent")}
	x.RequestID = x.ExtendedID // every id of a WebSocket event has one shape
	x.Record.RequestID = x.RequestID
	if err := s.content.routes.Run(ctx, x); err != nil {
		failSocket(x, err)
		return nil
	}
	if status := x.Response.Status; x.Method != nil && status != 0 && status/100 != 2 {
		refuseConnect(x, status)
		return nil
	}
	h, err := handoff(x)
	if err != nil {
		failSocket(x, err)
		return nil
	}
	return h
}

// refuseConnect answers with the status that $connect gave, whichever it is (spec/websocket.md, trap 2). An interim one
// would leave the client waiting.
func refuseConnect(x *exchange.Exchange, status int) {
	if status < 200 {
		failSocket(x, gatewayresponse.BadGateway(errors.New("an interim status")))
		return
	}
	x.Record.AddNumber(executionlog.PhaseIntegrationResponse, executionlog.ConnectRefused, int64(status))
	x.Response.Headers, x.Response.Body, x.Response.Status = x.Response.Headers[:0], nil, status
}

// handoff is what the owner of the socket gets. Nothing in it aliases the exchange.
func handoff(x *exchange.Exchange) (*wsconnv1.Handoff, error) {
	session := &edgev1.Session{
		ConnectedAtUnixMilli: x.Socket.ConnectedAt.UnixMilli(), DomainName: x.DomainName, SourceIp: x.SourceIP(), UserAgent: []byte(x.Socket.UserAgent),
	}
	session.ApiKeyId = x.APIKeyID
	if c := x.Caller; c.Signed() {
		session.Caller = &edgev1.SessionCaller{AccessKey: c.AccessKey, Account: c.Account, Id: c.ID, Arn: c.ARN}
	}
	if a := x.Authorizer; a != nil {
		session.Authorizer = &edgev1.SessionAuthorizer{PrincipalId: a.PrincipalID, IntegrationLatencyMillis: a.IntegrationLatency}
		for _, f := range a.Context {
			session.Authorizer.Context = append(session.Authorizer.Context, &edgev1.Header{Name: f.Name, Value: []byte(f.Value)})
		}
	}
	b, err := proto.Marshal(session)
	if err != nil {
		return nil, fmt.Errorf("the session cannot be kept: %w", err)
	}
	spans := ""
	if x.Span != nil {
		spans = xray.Format(x.Span.SpanContext())
	}
	return &wsconnv1.Handoff{
		Trace: spans, ConnectionId: x.Socket.ConnectionID, Account: x.Scope.Account, Region: x.Scope.Region, ApiId: x.Scope.API, Stage: x.Scope.Stage,
		ConnectedAtUnixMilli: session.ConnectedAtUnixMilli, SourceIp: strings.Clone(session.SourceIp), UserAgent: session.UserAgent,
		Subprotocol: strings.Clone(x.Socket.Subprotocol), Session: b,
	}, nil
}

// failSocket makes the answer to a failure after the connection has an id: the body of a refused handshake, or the frame of
// a message.
func failSocket(x *exchange.Exchange, err error) {
	e := asGateway(x, err)
	message := e.Message
	if e.NoMessage || message == "" {
		message = "Internal server error"
	}
	out := (*gatewayresponse.Set)(nil).Render(e, "", nil, x.ReplyBuffer())
	body := event.AppendSocketError(out.Body[:0], message, x.Socket.ConnectionID, x.RequestID)
	x.StoreReply(body)
	x.Response.Headers = x.Response.Headers[:0]
	x.AddResponseHeader("Content-Type", "application/json")
	x.AddResponseHeader("x-amzn-ErrorType", out.ErrorType)
	x.Response.Status, x.Response.Body = out.Status, body
	x.Record.AddNumber(executionlog.PhaseGatewayResponse, executionlog.Answered, int64(out.Status), string(e.Type), cmp.Or(e.Brief, message))
}

// Connect runs $connect for a handshake that reached a node without an edge before it. It returns nil when the connection
// is refused; the response is complete then.
func (p *Plans) Connect(ctx context.Context, x *exchange.Exchange, id string) *wsconnv1.Handoff {
	s, err := p.find(x)
	if err == nil && s.content.routes == nil {
		x.Record.Add(executionlog.PhaseReceive, executionlog.NoHandshake, "API "+x.Target.API+" is no WebSocket API")
		err = gatewayresponse.Forbidden(nil)
	}
	if err == nil {
		_, err = handshake(x)
	}
	if err != nil {
		fail(x, err)
		return nil
	}
	return p.connect(ctx, x, s, id)
}

// ErrWithdrawn says that the API or the stage of a connection exists no more.
var ErrWithdrawn = errors.New("the API or the stage of the connection is no longer published")

// Event runs a message or the end of a connection through the plan of this moment: a new deployment reaches open
// connections. The response is what a message's sender gets in x.Socket.Reply, failures included.
func (p *Plans) Event(ctx context.Context, x *exchange.Exchange, r *edgev1.InvokeRequest) error {
	a := p.Current().apis[r.GetApiId()]
	if a == nil || a.stages[r.GetStage()] == nil || a.stages[r.GetStage()].content == nil || a.stages[r.GetStage()].content.routes == nil {
		x.Record.Add(executionlog.PhaseStage, executionlog.Withdrawn, r.GetApiId(), r.GetStage())
		return ErrWithdrawn
	}
	s := a.stages[r.GetStage()]
	x.Scope = s.scope
	x.Record.Account, x.Record.API, x.Record.Stage = s.scope.Account, s.scope.API, s.scope.Stage
	x.Record.Add(executionlog.PhaseStage, executionlog.StageFound, s.scope.Stage, s.scope.DeploymentID)
	if err := p.resume(x, r); err != nil {
		return err
	}
	if err := s.content.routes.Run(ctx, x); err != nil {
		failSocket(x, err)
		x.Socket.Reply = x.Response.Body
		return nil
	}
	if x.Response.Status == 0 {
		x.Response.Status = http.StatusOK
	}
	return nil
}

// resume sets what the handshake left in the session.
func (p *Plans) resume(x *exchange.Exchange, r *edgev1.InvokeRequest) error {
	var session edgev1.Session
	if err := proto.Unmarshal(r.GetSession(), &session); err != nil {
		return fmt.Errorf("the session of the connection cannot be read: %w", err)
	}
	x.RequestID = x.ExtendedID
	x.Record.RequestID = x.RequestID
	x.Record.Source, x.DomainName = session.GetSourceIp(), session.GetDomainName()
	x.Socket = &exchange.Socket{
		ConnectionID: r.GetConnectionId(), ConnectedAt: time.UnixMilli(session.GetConnectedAtUnixMilli()), UserAgent: string(session.GetUserAgent()),
	}
	x.APIKeyID = session.GetApiKeyId()
	c := session.GetCaller()
	x.Caller = exchange.Caller{AccessKey: c.GetAccessKey(), Account: c.GetAccount(), ID: c.GetId(), ARN: c.GetArn()}
	if a := session.GetAuthorizer(); a != nil {
		x.Authorizer = &event.Authorizer{PrincipalID: a.GetPrincipalId(), IntegrationLatency: a.GetIntegrationLatencyMillis()}
		for _, f := range a.GetContext() {
			x.Authorizer.Context = append(x.Authorizer.Context, event.Field{Name: f.GetName(), Value: string(f.GetValue())})
		}
	}
	switch {
	case r.GetMessage() != nil:
		x.Socket.Event = event.Message
		x.Socket.MessageID = x.Build(func(dst []byte) []byte { return exchange.AppendExtendedID(dst, p.Number(), rand.Uint64()) })
		x.Request.Body = []byte(r.GetMessage().GetText())
	case r.GetDisconnect() != nil:
		x.Socket.Event = event.Disconnect
		x.Socket.DisconnectCode, x.Socket.DisconnectReason = int(r.GetDisconnect().GetCode()), r.GetDisconnect().GetReason()
	default:
		return errors.New("an event that is neither a message nor the end of a connection")
	}
	x.Record.Method, x.Record.Path = x.Socket.Event, "/"+r.GetStage()
	return nil
}
