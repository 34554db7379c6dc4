package apigateway

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// A customised gateway response is stored as it was given; the parts that were left out are shown as the built-in ones and
// rendered so by core/gatewayresponse.

// builtinContentType is the key of the built-in template.
const builtinContentType = "application/json"

// PutGatewayResponse customises a type, in place of any other customisation: parts left out are the built-in ones.
func (s *Service) PutGatewayResponse(ctx context.Context, req *apigatewayv1.PutGatewayResponseRequest) (*apigatewayv1.GatewayResponse, error) {
	g := &apigatewayv1.GatewayResponse{}
	req.CopyTo(g)
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		if err := checkGatewayResponse(g); err != nil {
			return err
		}
		return a.Put(g, draft.GatewayResponses, g.GetResponseType())
	})
	if err != nil {
		return nil, err
	}
	return shownResponse(g, false), nil
}

// checkGatewayResponse finds the first fault of a customisation.
func checkGatewayResponse(g *apigatewayv1.GatewayResponse) error {
	kind := gatewayresponse.Type(g.GetResponseType())
	if !kind.Valid() {
		return fault.BadRequest("Invalid response type specified: %s", kind)
	}
	for _, part := range []struct {
		name    string
		entries map[string]string
	}{{"responseTemplates", g.ResponseTemplates.GetEntries()}, {"responseParameters", g.ResponseParameters.GetEntries()}} {
		for _, value := range part.entries {
			if value == "" {
				return fault.BadRequest("Invalid null or empty value in %s", part.name)
			}
		}
	}
	if err := checkTemplates(g.ResponseTemplates.GetEntries()); err != nil {
		return err
	}
	// One parameter at a time, so that the refusal names the one at fault.
	for _, key := range slices.Sorted(maps.Keys(g.ResponseParameters.GetEntries())) {
		value := g.ResponseParameters.Entries[key]
		if _, err := gatewayresponse.Compile([]gatewayresponse.Response{{Type: kind, Parameters: map[string]string{key: "'x'"}}}); err != nil {
			return invalidMapping(key)
		}
		if _, err := gatewayresponse.Compile([]gatewayresponse.Response{{Type: kind, Parameters: map[string]string{key: value}}}); err != nil {
			return invalidMapping(value)
		}
	}
	return nil
}

// shownResponse completes a response with what is built in for its type.
func shownResponse(g *apigatewayv1.GatewayResponse, byDefault bool) *apigatewayv1.GatewayResponse {
	v := clone(g)
	v.DefaultResponse = &byDefault
	if status := gatewayresponse.Type(v.GetResponseType()).DefaultStatus(); v.StatusCode == nil && status != 0 {
		v.StatusCode = ptr(strconv.Itoa(status))
	}
	if v.ResponseParameters == nil {
		v.ResponseParameters = &apigatewayv1.StringMap{}
	}
	if len(v.ResponseTemplates.GetEntries()) == 0 {
		v.ResponseTemplates = &apigatewayv1.StringMap{Entries: map[string]string{builtinContentType: gatewayresponse.BuiltinTemplate}}
	}
	return v
}

// customised reads the customisations of an API.
func customised(a *draft.API) (map[string]*apigatewayv1.GatewayResponse, error) {
	all, err := draft.All(a, func() *apigatewayv1.GatewayResponse { return &apigatewayv1.GatewayResponse{} }, draft.GatewayResponses)
	out := map[string]*apigatewayv1.GatewayResponse{}
	for _, g := range all {
		out[g.GetResponseType()] = g
	}
	return out, err
}

// effective is what a type answers: its own customisation, which inherits nothing; else that of its default type, which
// shines through while the type stays a default response; else what is built in.
func effective(own map[string]*apigatewayv1.GatewayResponse, kind gatewayresponse.Type) *apigatewayv1.GatewayResponse {
	if g := own[string(kind)]; g != nil {
		return shownResponse(g, false)
	}
	g := &apigatewayv1.GatewayResponse{}
	if inherited := own[string(kind.Inherits())]; inherited != nil {
		g = clone(inherited)
	}
	g.ResponseType = ptr(string(kind))
	return shownResponse(g, true)
}

// GetGatewayResponse answers what a type answers, whether it was customised or not.
func (s *Service) GetGatewayResponse(ctx context.Context, req *apigatewayv1.GetGatewayResponseRequest) (*apigatewayv1.GatewayResponse, error) {
	var out *apigatewayv1.GatewayResponse
	kind := gatewayresponse.Type(req.GetResponseType())
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		if !kind.Valid() {
			return fault.BadRequest("Invalid response type specified: %s", kind)
		}
		own, err := customised(a)
		out = effective(own, kind)
		return err
	})
	return out, err
}

// GetGatewayResponses answers all types, sorted by name. The list is always whole (spec/control-plane.md 5), so limit and
// position have nothing to choose from.
func (s *Service) GetGatewayResponses(ctx context.Context, req *apigatewayv1.GetGatewayResponsesRequest) (*apigatewayv1.GatewayResponses, error) {
	out := &apigatewayv1.GatewayResponses{Items: &apigatewayv1.GatewayResponseList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		own, err := customised(a)
		for _, kind := range gatewayresponse.Types() {
			out.Items.Items = append(out.Items.Items, effective(own, kind))
		}
		return err
	})
	return out, err
}

// UpdateGatewayResponse patches a customisation, or makes one of what is built in. spec/control-plane.md 6.2.
func (s *Service) UpdateGatewayResponse(ctx context.Context, req *apigatewayv1.UpdateGatewayResponseRequest) (*apigatewayv1.GatewayResponse, error) {
	var g *apigatewayv1.GatewayResponse
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		g = &apigatewayv1.GatewayResponse{ResponseType: req.ResponseType}
		if _, err := a.Get(g, draft.GatewayResponses, req.GetResponseType()); err != nil {
			return err
		}
		// The built-in template is written out, so that it can be replaced; a status is not, so that it stays the type's.
		g.ResponseTemplates = shownResponse(g, false).ResponseTemplates
		if err := patch.GatewayResponse.Apply(g, req.PatchOperations); err != nil {
			return err
		}
		if err := checkGatewayResponse(g); err != nil {
			return err
		}
		if len(req.PatchOperations.GetItems()) == 0 {
			own, err := customised(a)
			g = effective(own, gatewayresponse.Type(req.GetResponseType()))
			return err
		}
		if err := a.Put(g, draft.GatewayResponses, req.GetResponseType()); err != nil {
			return err
		}
		g = shownResponse(g, false)
		return nil
	})
	return g, err
}

// DeleteGatewayResponse takes a customisation back.
func (s *Service) DeleteGatewayResponse(ctx context.Context, req *apigatewayv1.DeleteGatewayResponseRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		ok, err := a.Has(draft.GatewayResponses, req.GetResponseType())
		if err != nil {
			return err
		}
		if !ok {
			return fault.NotFound("Gateway response type not defined on api")
		}
		return a.Remove(draft.GatewayResponses, req.GetResponseType())
	})
}
