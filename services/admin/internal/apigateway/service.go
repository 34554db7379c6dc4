// Package apigateway holds the operations of the REST API control plane (API version 2015-07-09), one file for each noun,
// as the generated gRPC service; the REST face calls the same methods. Behaviour and texts: spec/control-plane.md. An
// operation that is not here answers Unimplemented by its embedded default.
package apigateway

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/platform/seal"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// Service implements the generated service. It is safe for concurrent use.
type Service struct {
	adminv1.UnimplementedApiGatewayServer
	store *draft.Store
	keys  *seal.Keyring
	// metering is nil where usage is not counted.
	metering Metering
}

// New makes the service on a store. keys seals the values of API keys; without it they can neither be stored nor shown.
func New(store *draft.Store, keys *seal.Keyring) *Service { return &Service{store: store, keys: keys} }

// WithMetering makes the service read usage from metering; it comes before the first call.
func (s *Service) WithMetering(m Metering) *Service {
	s.metering = m
	return s
}

func (s *Service) runner() operation.Runner { return operation.Runner{Store: s.store} }

// read runs fn over one consistent state of the caller's account.
func (s *Service) read(ctx context.Context, fn func(*draft.Tx) error) error {
	return s.runner().Read(ctx, fn)
}

// commit runs fn and commits what it wrote, at a revision.
func (s *Service) commit(ctx context.Context, fn func(*draft.Tx) error) (int64, error) {
	return s.runner().Commit(ctx, fn)
}

// update is commit for changes that nobody follows.
func (s *Service) update(ctx context.Context, fn func(*draft.Tx) error) error {
	return s.runner().Update(ctx, fn)
}

// publish is commit for changes that edges follow: the answer carries the revision.
func (s *Service) publish(ctx context.Context, fn func(*draft.Tx) error) error {
	return s.runner().Publish(ctx, fn)
}

// readAPI runs fn over the draft of an API; missing is the answer when there is none.
func (s *Service) readAPI(ctx context.Context, id string, missing error, fn func(*draft.API) error) error {
	return s.read(ctx, func(tx *draft.Tx) error { return withAPI(tx, id, missing, fn) })
}

// editAPI runs fn over the draft of an API and commits what it wrote.
func (s *Service) editAPI(ctx context.Context, id string, missing error, fn func(*draft.API) error) error {
	return s.update(ctx, func(tx *draft.Tx) error { return withAPI(tx, id, missing, fn) })
}

func withAPI(tx *draft.Tx, id string, missing error, fn func(*draft.API) error) error {
	a, err := tx.API(id)
	if err != nil {
		return err
	}
	if a == nil {
		return missing
	}
	return fn(a)
}

// unknownAPI is the common answer for an API that is not there; calls below /resources/ blame the resource instead.
func unknownAPI(ctx context.Context, id string) error { return operation.UnknownAPI(ctx, id) }

var (
	unknownResource    = fault.NotFound("Invalid Resource identifier specified")
	unknownMethod      = fault.NotFound("Invalid Method identifier specified")
	unknownIntegration = fault.NotFound("Invalid Integration identifier specified")
	unknownStatus      = fault.NotFound("Invalid Response status code specified")
)

// list pages through the nouns below a prefix.
func list[N proto.Message](tx *draft.Tx, prefix string, position *string, limit *int32, fresh func() N, keep func(N) bool) ([]N, *string, error) {
	var check func(draft.Entry) (bool, error)
	if keep != nil {
		check = func(e draft.Entry) (bool, error) {
			noun := fresh()
			_, err := draft.Decode(e.Value, noun)
			return err == nil && keep(noun), err
		}
	}
	entries, next, err := pageOf(tx, prefix, position, limit, check)
	if err != nil {
		return nil, nil, err
	}
	nouns, err := draft.Nouns(entries, fresh)
	return nouns, next, err
}

// pageOf is list for what needs more of the records than their nouns.
func pageOf(tx *draft.Tx, prefix string, position *string, limit *int32, keep func(draft.Entry) (bool, error)) ([]draft.Entry, *string, error) {
	return operation.Page(tx, prefix, "position", deref(position), deref(limit), keep)
}

// contentID makes an id that no piece of a kind has yet.
func contentID(a *draft.API, kind string) (string, error) {
	for {
		id := a.Tx().NewID(shortID)
		taken, err := a.Has(kind, id)
		if err != nil || !taken {
			return id, err
		}
	}
}

// lastUser names the last method, by path, that fits: "/pets/GET", and "//ANY" on the root, as texts of conflicts do. It is
// "" when none does.
func lastUser(a *draft.API, uses func(*apigatewayv1.Method) bool) (string, error) {
	rs, err := resourcesOf(a)
	if err != nil {
		return "", err
	}
	entries, err := a.Tx().Range(a.Prefix(draft.Methods))
	last := ""
	for _, e := range entries {
		m := &apigatewayv1.Method{}
		if _, err := draft.Decode(e.Value, m); err != nil {
			return "", err
		}
		resource, verb, _ := strings.Cut(e.Name, "/")
		if name := rs.path(resource) + "/" + verb; uses(m) && name > last {
			last = name
		}
	}
	return last, err
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

// clone copies a noun, so that a refused change leaves it alone.
func clone[N proto.Message](n N) N { return proto.Clone(n).(N) }
