package apigateway

import (
	"context"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// PutMethodResponse declares a status that a method may answer.
func (s *Service) PutMethodResponse(ctx context.Context, req *apigatewayv1.PutMethodResponseRequest) (*apigatewayv1.MethodResponse, error) {
	r := &apigatewayv1.MethodResponse{}
	req.CopyTo(r)
	err := s.editMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(a *draft.API, m *apigatewayv1.Method) error {
		if m.MethodResponses.GetEntries()[r.GetStatusCode()] != nil {
			return fault.Conflict("Response already exists for this resource")
		}
		if err := checkModels(stored{a}, r.ResponseModels); err != nil {
			return err
		}
		if m.MethodResponses == nil {
			m.MethodResponses = &apigatewayv1.MethodResponseMap{Entries: map[string]*apigatewayv1.MethodResponse{}}
		}
		m.MethodResponses.Entries[r.GetStatusCode()] = r
		return nil
	})
	return r, err
}

// GetMethodResponse answers one declared status.
func (s *Service) GetMethodResponse(ctx context.Context, req *apigatewayv1.GetMethodResponseRequest) (*apigatewayv1.MethodResponse, error) {
	var out *apigatewayv1.MethodResponse
	err := s.readMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method) error {
		if out = m.MethodResponses.GetEntries()[req.GetStatusCode()]; out == nil {
			return unknownStatus
		}
		return nil
	})
	return out, err
}

// UpdateMethodResponse patches one declared status.
func (s *Service) UpdateMethodResponse(ctx context.Context, req *apigatewayv1.UpdateMethodResponseRequest) (*apigatewayv1.MethodResponse, error) {
	var out *apigatewayv1.MethodResponse
	err := s.editMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(a *draft.API, m *apigatewayv1.Method) error {
		if out = m.MethodResponses.GetEntries()[req.GetStatusCode()]; out == nil {
			return unknownStatus
		}
		if err := patch.MethodResponse.Apply(out, req.PatchOperations); err != nil {
			return err
		}
		return checkModels(stored{a}, out.ResponseModels)
	})
	return out, err
}

// DeleteMethodResponse removes one declared status.
func (s *Service) DeleteMethodResponse(ctx context.Context, req *apigatewayv1.DeleteMethodResponseRequest) (*emptypb.Empty, error) {
	return empty, s.editMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(_ *draft.API, m *apigatewayv1.Method) error {
		entries := m.MethodResponses.GetEntries()
		if entries[req.GetStatusCode()] == nil {
			return unknownStatus
		}
		delete(entries, req.GetStatusCode())
		if len(entries) == 0 {
			m.MethodResponses = nil
		}
		return nil
	})
}
