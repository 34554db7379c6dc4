package apigatewayv2

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

const (
	connect    = "$connect"
	defaultKey = "$default"
	custom     = "CUSTOM"
	iam        = "AWS_IAM"
)

// reserved are the only route keys that begin with a dollar.
var reserved = []string{connect, "$disconnect", defaultKey}

var requestParameter = regexp.MustCompile(`^route\.request\.(querystring|header)\.[a-zA-Z0-9._$-]+$`)

func freshRoute() *apigatewayv2v1.Route { return &apigatewayv2v1.Route{} }

func routeOf(a *draft.API, id string) (*apigatewayv2v1.Route, error) {
	return find(a, freshRoute(), unknown("Route", id), draft.Routes, id)
}

func routesOf(a *draft.API) ([]*apigatewayv2v1.Route, error) {
	return draft.All(a, freshRoute, draft.Routes)
}

// CreateRoute adds a route.
func (s *Service) CreateRoute(ctx context.Context, req *apigatewayv2v1.CreateRouteRequest) (*apigatewayv2v1.Route, error) {
	if err := checkAuthority(req.AuthorizationScopes, req.AuthorizationType, req.AuthorizerId); err != nil {
		return nil, err
	}
	r := freshRoute()
	req.CopyTo(r)
	orDefault(&r.ApiKeyRequired, false)
	orDefault(&r.AuthorizationType, noAuthority)
	if err := checkRouteForm(r); err != nil {
		return nil, err
	}
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		id, err := newID(a, routeID, draft.Routes)
		if err != nil {
			return err
		}
		r.RouteId = id
		if err := checkRoute(a, r); err != nil {
			return err
		}
		return a.Put(r, draft.Routes, *id)
	})
	return r, err
}

// checkAuthority refuses what a request says of authorization and a WebSocket API cannot have; an authorizer beside a type
// that asks none is a contradiction.
func checkAuthority(scopes *apigatewayv2v1.StringList, kind, authorizer *string) error {
	if err := websocketOnly(map[string]bool{"authorizationScopes": len(scopes.GetItems()) > 0, "authorizationType JWT": deref(kind) == "JWT"}); err != nil {
		return err
	}
	if k := deref(kind); (k == noAuthority || k == iam) && deref(authorizer) != "" {
		return fault.BadRequest("Invalid authorizer ID specified. Setting the authorization type to %s takes no authorizer.", k)
	}
	return nil
}

// checkRouteForm tidies a route and checks what does not need the store.
func checkRouteForm(r *apigatewayv2v1.Route) error {
	if err := tidy(r); err != nil {
		return err
	}
	key := r.GetRouteKey()
	if key == "" || strings.HasPrefix(key, "$") && !slices.Contains(reserved, key) {
		return fault.BadRequest("The provided route key is not formatted properly for WebSocket protocol. It may not be empty, and only $connect, $disconnect and $default begin with a $.")
	}
	if len(r.AuthorizationScopes.GetItems()) == 0 {
		r.AuthorizationScopes = nil
	}
	if r.AuthorizationType == nil {
		r.AuthorizationType = ptr(noAuthority)
	}
	if r.GetAuthorizationType() != noAuthority && key != connect {
		return fault.BadRequest("Currently, authorization is restricted to the $connect route only")
	}
	if r.GetAuthorizationType() != custom {
		r.AuthorizerId = nil
	}
	if e := r.RouteResponseSelectionExpression; e != nil && *e != defaultKey {
		return fault.BadRequest("Invalid routeResponseSelectionExpression specified: %s. Only $default is supported", *e)
	}
	if t := r.Target; t != nil && snapshot.Target(r) == "" {
		return fault.BadRequest("Invalid target specified: %s. It should be integrations/{integrationId}", *t)
	}
	if err := checkNames(r.RequestParameters, requestParameter); err != nil {
		return err
	}
	return checkSelection("modelSelectionExpression", r.GetModelSelectionExpression(), expression.CompileSelection)
}

// checkRoute checks a route against the others and that what it names exists.
func checkRoute(a *draft.API, r *apigatewayv2v1.Route) error {
	others, err := routesOf(a)
	if err != nil {
		return err
	}
	for _, o := range others {
		if o.GetRouteKey() == r.GetRouteKey() && o.GetRouteId() != r.GetRouteId() {
			return fault.Conflict("Route with key %s already exists for this API", r.GetRouteKey())
		}
	}
	if id := snapshot.Target(r); id != "" {
		if _, err := integrationOf(a, id); err != nil {
			return err
		}
	}
	if err := checkRouteAuthorizer(a, r); err != nil {
		return err
	}
	return checkModelNames(a, r.RequestModels)
}

func checkRouteAuthorizer(a *draft.API, r *apigatewayv2v1.Route) error {
	if r.GetAuthorizationType() != custom {
		return nil
	}
	ok := r.AuthorizerId != nil
	if ok {
		var err error
		if ok, err = a.Has(draft.Authorizers, r.GetAuthorizerId()); err != nil {
			return err
		}
	}
	if !ok {
		return fault.BadRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM requires a valid authorizer.")
	}
	return nil
}

// checkModelNames checks that models that a map names exist.
func checkModelNames(a *draft.API, given *apigatewayv2v1.StringMap) error {
	if len(given.GetEntries()) == 0 {
		return nil
	}
	models, err := draft.All(a, freshModel, draft.Models)
	if err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(given.Entries)) {
		name := given.Entries[key]
		if !slices.ContainsFunc(models, func(m *apigatewayv2v1.Model) bool { return m.GetName() == name }) {
			return fault.BadRequest("Invalid model identifier specified: %s", name)
		}
	}
	return nil
}

// GetRoute answers one route.
func (s *Service) GetRoute(ctx context.Context, req *apigatewayv2v1.GetRouteRequest) (*apigatewayv2v1.Route, error) {
	var out *apigatewayv2v1.Route
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out, err = routeOf(a, req.GetRouteId())
		return err
	})
	return out, err
}

// GetRoutes pages through the routes of an API.
func (s *Service) GetRoutes(ctx context.Context, req *apigatewayv2v1.GetRoutesRequest) (*apigatewayv2v1.GetRoutesResponse, error) {
	out := &apigatewayv2v1.GetRoutesResponse{Items: &apigatewayv2v1.RouteList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.Routes), req.NextToken, req.MaxResults, freshRoute)
		return err
	})
	return out, err
}

// UpdateRoute changes the members that the request states. Request parameters are put beside those that are there; a type
// of authorization without authorizer drops the authorizer.
func (s *Service) UpdateRoute(ctx context.Context, req *apigatewayv2v1.UpdateRouteRequest) (*apigatewayv2v1.Route, error) {
	if err := checkAuthority(req.AuthorizationScopes, req.AuthorizationType, req.AuthorizerId); err != nil {
		return nil, err
	}
	var r *apigatewayv2v1.Route
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if r, err = routeOf(a, req.GetRouteId()); err != nil {
			return err
		}
		parameters := r.RequestParameters
		req.CopyTo(r)
		r.RequestParameters = beside(parameters, req.RequestParameters)
		if req.GetAuthorizerId() != "" && r.GetAuthorizationType() != custom {
			return checkAuthority(nil, r.AuthorizationType, req.AuthorizerId)
		}
		if err := checkRouteForm(r); err != nil {
			return err
		}
		if err := checkRoute(a, r); err != nil {
			return err
		}
		return a.Put(r, draft.Routes, r.GetRouteId())
	})
	return r, err
}

// beside puts parameters over those that are there: entries go only by DeleteRouteRequestParameter (spec/control-plane.md
// 7.1).
func beside(old, given *apigatewayv2v1.ParameterConstraintsMap) *apigatewayv2v1.ParameterConstraintsMap {
	if given == nil || len(old.GetEntries()) == 0 {
		if given != nil {
			return given
		}
		return old
	}
	out := &apigatewayv2v1.ParameterConstraintsMap{Entries: map[string]*apigatewayv2v1.ParameterConstraints{}}
	for _, m := range []*apigatewayv2v1.ParameterConstraintsMap{old, given} {
		for k, v := range m.GetEntries() {
			out.Entries[k] = v
		}
	}
	return out
}

// DeleteRoute removes a route with its responses.
func (s *Service) DeleteRoute(ctx context.Context, req *apigatewayv2v1.DeleteRouteRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		if _, err := routeOf(a, req.GetRouteId()); err != nil {
			return err
		}
		if err := a.RemoveBelow(draft.RouteResponses, req.GetRouteId()); err != nil {
			return err
		}
		return a.Remove(draft.Routes, req.GetRouteId())
	})
}

// DeleteRouteRequestParameter takes one request parameter away.
func (s *Service) DeleteRouteRequestParameter(ctx context.Context, req *apigatewayv2v1.DeleteRouteRequestParameterRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		r, err := routeOf(a, req.GetRouteId())
		if err != nil {
			return err
		}
		if r.RequestParameters.GetEntries()[req.GetRequestParameterKey()] == nil {
			return fault.NotFound("Unable to find request parameter %s of Route %s", req.GetRequestParameterKey(), req.GetRouteId())
		}
		delete(r.RequestParameters.Entries, req.GetRequestParameterKey())
		if len(r.RequestParameters.Entries) == 0 {
			r.RequestParameters = nil
		}
		return a.Put(r, draft.Routes, r.GetRouteId())
	})
}
