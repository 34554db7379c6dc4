// Package management answers the ApiGatewayManagementApi: backends post to an open WebSocket connection, look at it, or end
// it, by its id. The same calls at the edge's own URLs are the edge's.
//
// A caller reaches the connections of its own account; every other is gone. The surprise: a stage in the URL narrows that,
// and no API needs to be named, since the id leads to its node.
package management

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/platform/connections"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	managementv1 "github.com/limen-gateway/limen/proto/apigatewaymanagementapi/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// StageKey is the metadata that holds the stage of the URL.
const StageKey = "limen-stage"

// maxData is the largest message (spec/websocket.md 5).
const maxData = 128 << 10

// Asker asks the owner of a connection. Its only error is connections.ErrUnknown.
type Asker interface {
	Ask(ctx context.Context, r *wsconnv1.Request) (*wsconnv1.Answer, error)
}

// Service implements the generated service. It is safe for concurrent use.
type Service struct {
	adminv1.UnimplementedApiGatewayManagementApiServer
	asker Asker
}

// New makes the service; without an asker nothing is known of any connection.
func New(asker Asker) *Service { return &Service{asker: asker} }

// PostToConnection sends a message.
func (s *Service) PostToConnection(ctx context.Context, r *managementv1.PostToConnectionRequest) (*emptypb.Empty, error) {
	switch {
	case len(r.GetData()) > maxData:
		return nil, tooLarge()
	case !utf8.Valid(r.GetData()):
		return nil, fault.BadRequest("The message is not valid UTF-8")
	}
	_, err := s.ask(ctx, &wsconnv1.Request{ConnectionId: r.GetConnectionId(), What: &wsconnv1.Request_Post{Post: &wsconnv1.Post{Data: r.GetData()}}})
	return &emptypb.Empty{}, err
}

// GetConnection tells of a connection.
func (s *Service) GetConnection(ctx context.Context, r *managementv1.GetConnectionRequest) (*managementv1.GetConnectionResponse, error) {
	a, err := s.ask(ctx, &wsconnv1.Request{ConnectionId: r.GetConnectionId(), What: &wsconnv1.Request_Get{Get: &wsconnv1.Get{}}})
	if err != nil {
		return nil, err
	}
	source := a.GetSourceIp()
	out := &managementv1.GetConnectionResponse{
		ConnectedAt: timestamppb.New(time.UnixMilli(a.GetConnectedAtUnixMilli())), LastActiveAt: timestamppb.New(time.UnixMilli(a.GetLastActiveAtUnixMilli())),
		Identity: &managementv1.Identity{SourceIp: &source},
	}
	if agent := strings.ToValidUTF8(string(a.GetUserAgent()), "\uFFFD"); agent != "" {
		out.Identity.UserAgent = &agent
	}
	return out, nil
}

// DeleteConnection ends a connection.
func (s *Service) DeleteConnection(ctx context.Context, r *managementv1.DeleteConnectionRequest) (*emptypb.Empty, error) {
	_, err := s.ask(ctx, &wsconnv1.Request{ConnectionId: r.GetConnectionId(), What: &wsconnv1.Request_Delete{Delete: &wsconnv1.Delete{}}})
	return &emptypb.Empty{}, err
}

func (s *Service) ask(ctx context.Context, r *wsconnv1.Request) (*wsconnv1.Answer, error) {
	caller, err := identity.From(ctx)
	if err != nil {
		return nil, err
	}
	if !connections.IsID(r.GetConnectionId()) {
		return nil, fault.BadRequest("Invalid connectionId: %s", r.GetConnectionId())
	}
	r.Account = caller.Account
	if stage := metadata.ValueFromIncomingContext(ctx, StageKey); len(stage) > 0 {
		r.Stage = stage[0]
	}
	if s.asker == nil {
		return nil, fault.Unavailable("Service Unavailable")
	}
	a, err := s.asker.Ask(ctx, r)
	if err != nil {
		return nil, fault.Unavailable("Service Unavailable")
	}
	switch a.GetOutcome() {
	case wsconnv1.Outcome_OUTCOME_DONE:
		return a, nil
	case wsconnv1.Outcome_OUTCOME_FULL:
		return nil, fault.LimitExceeded("Too Many Requests")
	case wsconnv1.Outcome_OUTCOME_TOO_BIG:
		return nil, tooLarge()
	}
	return nil, fault.New("GoneException", 410, "")
}

func tooLarge() error { return fault.New("PayloadTooLargeException", 413, "Message too long") }
