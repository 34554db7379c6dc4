// Package apigatewayv2 holds the operations of the control plane of WebSocket APIs (API version 2018-11-29), one file for
// each noun, as the generated gRPC service; the REST face calls the same methods. Behaviour and texts:
// spec/control-plane.md 4.6 and 7, spec/websocket.md. HTTP APIs are refused until they are built. An operation that is not
// here answers Unimplemented by its embedded default.
//
// The surprise: a change of an API is followed, before it is answered, by a deployment on every stage with autoDeploy.
package apigatewayv2

import (
	"context"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/core/fault"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// Lengths of ids. spec/control-plane.md 3.
const (
	apiID       = 10
	routeID     = 7 // of routes and integrations, and of what belongs to them
	shortID     = 6 // of all others
	webSocket   = "WEBSOCKET"
	noAuthority = "NONE"
)

// Service implements the generated service. It is safe for concurrent use.
type Service struct {
	adminv1.UnimplementedApiGatewayV2Server
	store *draft.Store
	run   operation.Runner
}

// New makes the service on a store.
func New(store *draft.Store) *Service {
	return &Service{store: store, run: operation.Runner{Store: store}}
}

// readAPI runs fn over the draft of an API.
func (s *Service) readAPI(ctx context.Context, id string, fn func(*draft.API) error) error {
	return s.run.Read(ctx, func(tx *draft.Tx) error { return withAPI(ctx, tx, id, fn) })
}

// editAPI runs fn over the draft of an API and commits what it wrote; then stages with autoDeploy follow.
func (s *Service) editAPI(ctx context.Context, id string, fn func(*draft.API) error) error {
	if err := s.run.Update(ctx, func(tx *draft.Tx) error { return withAPI(ctx, tx, id, fn) }); err != nil {
		return err
	}
	_, err := s.autoDeploy(ctx, id)
	return err
}

func withAPI(ctx context.Context, tx *draft.Tx, id string, fn func(*draft.API) error) error {
	a, err := tx.V2(id)
	if err != nil {
		return err
	}
	if a == nil {
		return operation.UnknownAPI(ctx, id)
	}
	return fn(a)
}

// unknown is the answer for a thing that an API does not have.
func unknown(kind, id string) error { return fault.NotFound("Unable to find %s by id %s", kind, id) }

// find reads a piece of content into noun, or answers missing.
func find[N proto.Message](a *draft.API, noun N, missing error, segments ...string) (N, error) {
	ok, err := a.Get(noun, segments...)
	if err == nil && !ok {
		err = missing
	}
	return noun, err
}

// newID makes an id that no piece of content beside it has.
func newID(a *draft.API, length int, segments ...string) (*string, error) {
	for {
		id := a.Tx().NewID(length)
		taken, err := a.Has(append(segments, id)...)
		if err != nil || !taken {
			return &id, err
		}
	}
}

// list pages through the nouns below a prefix, in the order of their ids.
func list[N proto.Message](tx *draft.Tx, prefix string, token, maxResults *string, fresh func() N) ([]N, *string, error) {
	limit := 0
	if maxResults != nil && *maxResults != "" { // a string in the model
		var err error
		if limit, err = strconv.Atoi(*maxResults); err != nil || limit < 1 || limit > 1<<20 {
			return nil, nil, fault.BadRequest("Invalid maxResults parameter")
		}
	}
	entries, next, err := operation.Page(tx, prefix, "nextToken", deref(token), int32(limit), nil)
	if err != nil {
		return nil, nil, err
	}
	nouns, err := draft.Nouns(entries, fresh)
	return nouns, next, err
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

func ptr[T any](v T) *T { return &v }

// orDefault sets a member that the request left out.
func orDefault[T any](p **T, v T) {
	if *p == nil {
		*p = &v
	}
}

func (s *Service) timestamp() *timestamppb.Timestamp { return timestamppb.New(s.store.Now()) }

var empty = &emptypb.Empty{}
