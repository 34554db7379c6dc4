// Package operator holds the operations of our own, beyond AWS's: functions, waiting until edges serve a change, and
// explaining an answer. They stand on both faces like AWS's operations (proto/admin/v1/admin.proto).
package operator

import (
	"context"
	"log/slog"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/fault"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	"github.com/limen-gateway/limen/services/admin/internal/deploy"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// Edges finds the edge behind a follower's address.
type Edges func(address string) (edgev1.EdgeClient, error)

// Service implements the generated Admin service. It is safe for concurrent use.
type Service struct {
	adminv1.UnimplementedAdminServer
	store  *draft.Store
	config *deploy.Config
	edges  Edges
	log    *slog.Logger
}

// New makes the service.
func New(store *draft.Store, config *deploy.Config, edges Edges, log *slog.Logger) *Service {
	return &Service{store: store, config: config, edges: edges, log: log}
}

func scopeOf(ctx context.Context) (draft.Scope, error) {
	c, err := identity.From(ctx)
	return draft.Scope{Account: c.Account, Region: c.Region, Actor: c.ARN}, err
}

// Explain asks every living edge for the record of a request; at most one has it.
func (s *Service) Explain(ctx context.Context, req *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if req.RequestId == "" {
		return nil, fault.BadRequest("requestId must be given: the value of x-amzn-RequestId or x-amz-apigw-id of an answer")
	}
	living, err := s.config.Living(ctx, "edge")
	if err != nil {
		return nil, err
	}
	silent := 0
	for _, f := range living {
		res := s.ask(ctx, f.Address, &edgev1.ExplainRequest{RequestId: req.RequestId, Account: scope.Account})
		switch {
		case res == nil:
			silent++
		case res.Found:
			text, err := s.complete(ctx, scope, res)
			return &adminv1.ExplainResponse{Text: text}, err
		}
	}
	if silent > 0 {
		return nil, fault.Unavailable("%d of %d edges did not answer, the others have no record of request %s", silent, len(living), req.RequestId)
	}
	return nil, fault.NotFound("No record of request %s on any of %d edges: it was never seen, belongs to another account, or newer requests have taken its place", req.RequestId, len(living))
}

// ask asks one edge; nil when it did not answer.
func (s *Service) ask(ctx context.Context, address string, req *edgev1.ExplainRequest) *edgev1.ExplainResponse {
	edge, err := s.edges(address)
	if err != nil {
		s.log.WarnContext(ctx, "edge is not reached", "address", address, "error", err)
		return nil
	}
	res, err := edge.Explain(ctx, req)
	if err != nil {
		s.log.WarnContext(ctx, "edge did not explain", "address", address, "error", err)
		return nil
	}
	return res
}

// complete puts in front what an edge cannot know: that an API of the caller exists which was never deployed.
func (s *Service) complete(ctx context.Context, scope draft.Scope, res *edgev1.ExplainResponse) (string, error) {
	if res.UnknownApi == "" {
		return res.Text, nil
	}
	text := res.Text
	err := s.store.Read(ctx, scope, func(tx *draft.Tx) error {
		a, err := tx.API(res.UnknownApi)
		if err == nil && a == nil {
			a, err = tx.V2(res.UnknownApi)
		}
		if err == nil && a != nil {
			text = executionlog.NotDeployed.Sentence(res.UnknownApi) + "\n" + text
		}
		return err
	})
	return text, err
}
