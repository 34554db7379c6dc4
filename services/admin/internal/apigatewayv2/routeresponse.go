package apigatewayv2

import (
	"context"
	"regexp"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var responseName = regexp.MustCompile(`^(route|method)\.response\.header\.[a-zA-Z0-9._$-]+$`)

func freshRouteResponse() *apigatewayv2v1.RouteResponse { return &apigatewayv2v1.RouteResponse{} }

// editRouteResponses runs fn over an API that has the route.
func (s *Service) editRouteResponses(ctx context.Context, api, route string, fn func(*draft.API) error) error {
	return s.editAPI(ctx, api, func(a *draft.API) error {
		if _, err := routeOf(a, route); err != nil {
			return err
		}
		return fn(a)
	})
}

func routeResponseOf(a *draft.API, route, id string) (*apigatewayv2v1.RouteResponse, error) {
	return find(a, freshRouteResponse(), unknown("RouteResponse", id), draft.RouteResponses, route, id)
}

// CreateRouteResponse lets a route answer. Only the key $default exists.
func (s *Service) CreateRouteResponse(ctx context.Context, req *apigatewayv2v1.CreateRouteResponseRequest) (*apigatewayv2v1.RouteResponse, error) {
	r := freshRouteResponse()
	req.CopyTo(r)
	err := s.editRouteResponses(ctx, req.GetApiId(), req.GetRouteId(), func(a *draft.API) error {
		if err := checkRouteResponse(a, r); err != nil {
			return err
		}
		others, err := draft.All(a, freshRouteResponse, draft.RouteResponses, req.GetRouteId())
		if err != nil {
			return err
		}
		if len(others) > 0 {
			return fault.Conflict("RouteResponse with key %s already exists for this Route", r.GetRouteResponseKey())
		}
		id, err := newID(a, routeID, draft.RouteResponses, req.GetRouteId())
		if err != nil {
			return err
		}
		r.RouteResponseId = id
		return a.Put(r, draft.RouteResponses, req.GetRouteId(), *id)
	})
	return r, err
}

func checkRouteResponse(a *draft.API, r *apigatewayv2v1.RouteResponse) error {
	if err := tidy(r); err != nil {
		return err
	}
	if r.GetRouteResponseKey() != defaultKey {
		return fault.BadRequest("Invalid routeResponseKey specified: %s. Only $default is supported", r.GetRouteResponseKey())
	}
	if err := checkNames(r.ResponseParameters, responseName); err != nil {
		return err
	}
	return checkModelNames(a, r.ResponseModels)
}

// GetRouteResponse answers one route response.
func (s *Service) GetRouteResponse(ctx context.Context, req *apigatewayv2v1.GetRouteResponseRequest) (*apigatewayv2v1.RouteResponse, error) {
	var out *apigatewayv2v1.RouteResponse
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if _, err := routeOf(a, req.GetRouteId()); err != nil {
			return err
		}
		out, err = routeResponseOf(a, req.GetRouteId(), req.GetRouteResponseId())
		return err
	})
	return out, err
}

// GetRouteResponses pages through the responses of a route.
func (s *Service) GetRouteResponses(ctx context.Context, req *apigatewayv2v1.GetRouteResponsesRequest) (*apigatewayv2v1.GetRouteResponsesResponse, error) {
	out := &apigatewayv2v1.GetRouteResponsesResponse{Items: &apigatewayv2v1.RouteResponseList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if _, err := routeOf(a, req.GetRouteId()); err != nil {
			return err
		}
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.RouteResponses, req.GetRouteId()), req.NextToken, req.MaxResults, freshRouteResponse)
		return err
	})
	return out, err
}

// UpdateRouteResponse changes the members that the request states.
func (s *Service) UpdateRouteResponse(ctx context.Context, req *apigatewayv2v1.UpdateRouteResponseRequest) (*apigatewayv2v1.RouteResponse, error) {
	var r *apigatewayv2v1.RouteResponse
	err := s.editRouteResponses(ctx, req.GetApiId(), req.GetRouteId(), func(a *draft.API) (err error) {
		if r, err = routeResponseOf(a, req.GetRouteId(), req.GetRouteResponseId()); err != nil {
			return err
		}
		req.CopyTo(r)
		if err := checkRouteResponse(a, r); err != nil {
			return err
		}
		return a.Put(r, draft.RouteResponses, req.GetRouteId(), r.GetRouteResponseId())
	})
	return r, err
}

// DeleteRouteResponse makes a route one-way again.
func (s *Service) DeleteRouteResponse(ctx context.Context, req *apigatewayv2v1.DeleteRouteResponseRequest) (*emptypb.Empty, error) {
	return empty, s.editRouteResponses(ctx, req.GetApiId(), req.GetRouteId(), func(a *draft.API) error {
		if _, err := routeResponseOf(a, req.GetRouteId(), req.GetRouteResponseId()); err != nil {
			return err
		}
		return a.Remove(draft.RouteResponses, req.GetRouteId(), req.GetRouteResponseId())
	})
}
