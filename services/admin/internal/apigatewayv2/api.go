package apigatewayv2

import (
	"context"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

const defaultKeySelection = "$request.header.x-api-key"

// keySelections are all there are. spec/websocket.md 6.2.
var keySelections = []string{defaultKeySelection, "$context.authorizer.usageIdentifierKey"}

// CreateApi makes a WebSocket API without content.
func (s *Service) CreateApi(ctx context.Context, req *apigatewayv2v1.CreateApiRequest) (*apigatewayv2v1.Api, error) {
	switch req.GetProtocolType() {
	case webSocket:
	case "HTTP":
		return nil, fault.New("NotImplementedException", 501, "HTTP APIs are not implemented yet")
	default:
		return nil, fault.BadRequest("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
	}
	api := &apigatewayv2v1.Api{}
	req.CopyTo(api)
	if err := quickCreate(req.CorsConfiguration != nil, req.CredentialsArn, req.RouteKey, req.Target); err != nil {
		return nil, err
	}
	if err := checkAPI(api); err != nil {
		return nil, err
	}
	if err := operation.CheckTags(api.Tags.GetEntries()); err != nil {
		return nil, err
	}
	orDefault(&api.ApiKeySelectionExpression, defaultKeySelection)
	orDefault(&api.DisableExecuteApiEndpoint, false)
	orDefault(&api.IpAddressType, "ipv4")
	api.CreatedDate = s.timestamp()
	err := s.run.Update(ctx, func(tx *draft.Tx) error { // runs again when the random id belongs to somebody
		id := tx.NewID(apiID)
		api.ApiId, api.ApiEndpoint = &id, ptr("wss://"+id+".execute-api."+tx.Scope.Region+".amazonaws.com")
		_, err := tx.CreateV2(api)
		return err
	})
	return apiView(api), err
}

// quickCreate refuses the members that make more than the API itself, which only HTTP APIs have.
func quickCreate(cors bool, credentials, routeKey, target *string) error {
	return websocketOnly(map[string]bool{"corsConfiguration": cors, "credentialsArn": deref(credentials) != "",
		"routeKey": deref(routeKey) != "", "target": deref(target) != ""})
}

// checkAPI tidies an API and finds its first fault.
func checkAPI(api *apigatewayv2v1.Api) error {
	if err := tidy(api); err != nil {
		return err
	}
	if api.Name == nil {
		return fault.BadRequest("Name must be non-empty")
	}
	if api.RouteSelectionExpression == nil {
		return fault.BadRequest("routeSelectionExpression must be specified for APIs with a protocol type of WEBSOCKET")
	}
	if k := api.ApiKeySelectionExpression; k != nil && !slices.Contains(keySelections, *k) {
		return fault.BadRequest("Invalid apiKeySelectionExpression specified: %s", *k)
	}
	return checkSelection("routeSelectionExpression", api.GetRouteSelectionExpression(), expression.CompileSelection)
}

// apiView shows that an API has no tags.
func apiView(api *apigatewayv2v1.Api) *apigatewayv2v1.Api {
	if api.Tags != nil {
		return api
	}
	v := proto.Clone(api).(*apigatewayv2v1.Api)
	v.Tags = &apigatewayv2v1.StringMap{}
	return v
}

// GetApi answers one API.
func (s *Service) GetApi(ctx context.Context, req *apigatewayv2v1.GetApiRequest) (*apigatewayv2v1.Api, error) {
	var out *apigatewayv2v1.Api
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		out = apiView(a.V2)
		return nil
	})
	return out, err
}

// GetApis pages through the account's APIs.
func (s *Service) GetApis(ctx context.Context, req *apigatewayv2v1.GetApisRequest) (*apigatewayv2v1.GetApisResponse, error) {
	out := &apigatewayv2v1.GetApisResponse{Items: &apigatewayv2v1.ApiList{}}
	err := s.run.Read(ctx, func(tx *draft.Tx) error {
		items, next, err := list(tx, tx.Scope.Prefix(draft.APIs), req.NextToken, req.MaxResults, func() *apigatewayv2v1.Api { return &apigatewayv2v1.Api{} })
		for _, api := range items {
			out.Items.Items = append(out.Items.Items, apiView(api))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// UpdateApi changes the members that the request states.
func (s *Service) UpdateApi(ctx context.Context, req *apigatewayv2v1.UpdateApiRequest) (*apigatewayv2v1.Api, error) {
	if err := quickCreate(req.CorsConfiguration != nil, req.CredentialsArn, req.RouteKey, req.Target); err != nil {
		return nil, err
	}
	var out *apigatewayv2v1.Api
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		req.CopyTo(a.V2)
		if err := checkAPI(a.V2); err != nil {
			return err
		}
		orDefault(&a.V2.ApiKeySelectionExpression, defaultKeySelection)
		out = apiView(a.V2)
		return a.Save()
	})
	return out, err
}

// DeleteApi removes the API with all that belongs to it; edges forget its stages.
func (s *Service) DeleteApi(ctx context.Context, req *apigatewayv2v1.DeleteApiRequest) (*emptypb.Empty, error) {
	return empty, s.run.Publish(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, req.GetApiId(), func(a *draft.API) error {
			a.Delete()
			return nil
		})
	})
}
