package apigatewayv2

import (
	"context"
	"regexp"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var identitySource = regexp.MustCompile(`^(route\.request\.(header|querystring)\.[a-zA-Z0-9._$-]+|stageVariables\.\w+|context\.[\w.-]+)$`)

func freshAuthorizer() *apigatewayv2v1.Authorizer { return &apigatewayv2v1.Authorizer{} }

func authorizerOf(a *draft.API, id string) (*apigatewayv2v1.Authorizer, error) {
	return find(a, freshAuthorizer(), unknown("Authorizer", id), draft.Authorizers, id)
}

// CreateAuthorizer adds a Lambda authorizer of type REQUEST, the only type WebSocket APIs have.
func (s *Service) CreateAuthorizer(ctx context.Context, req *apigatewayv2v1.CreateAuthorizerRequest) (*apigatewayv2v1.Authorizer, error) {
	z := freshAuthorizer()
	req.CopyTo(z)
	if err := checkAuthorizerForm(z); err != nil {
		return nil, err
	}
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if z.AuthorizerId, err = newID(a, shortID, draft.Authorizers); err != nil {
			return err
		}
		if err := checkAuthorizerName(a, z); err != nil {
			return err
		}
		return a.Put(z, draft.Authorizers, z.GetAuthorizerId())
	})
	return z, err
}

// checkAuthorizerForm tidies an authorizer and checks what does not need the store. Zero and false are what a WebSocket
// API has anyway; they are not kept.
func checkAuthorizerForm(z *apigatewayv2v1.Authorizer) error {
	if err := tidy(z); err != nil {
		return err
	}
	if err := websocketOnly(map[string]bool{
		"authorizerType JWT": z.GetAuthorizerType() == "JWT", "jwtConfiguration": z.JwtConfiguration != nil,
		"authorizerResultTtlInSeconds":   z.GetAuthorizerResultTtlInSeconds() != 0,
		"enableSimpleResponses":          z.GetEnableSimpleResponses(),
		"authorizerPayloadFormatVersion": z.AuthorizerPayloadFormatVersion != nil,
		"identityValidationExpression":   z.IdentityValidationExpression != nil,
	}); err != nil {
		return err
	}
	z.AuthorizerResultTtlInSeconds, z.EnableSimpleResponses = nil, nil
	if z.Name == nil {
		return fault.BadRequest("Name must be non-empty")
	}
	if !lambdaTarget.MatchString(z.GetAuthorizerUri()) {
		return fault.BadRequest("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", z.GetAuthorizerUri())
	}
	for _, source := range z.IdentitySource.GetItems() {
		if !identitySource.MatchString(source) {
			return invalidMapping(source)
		}
	}
	return nil
}

// checkAuthorizerName: names are unique within an API.
func checkAuthorizerName(a *draft.API, z *apigatewayv2v1.Authorizer) error {
	others, err := draft.All(a, freshAuthorizer, draft.Authorizers)
	for _, o := range others {
		if o.GetName() == z.GetName() && o.GetAuthorizerId() != z.GetAuthorizerId() {
			return fault.BadRequest("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", z.GetName())
		}
	}
	return err
}

// GetAuthorizer answers one authorizer.
func (s *Service) GetAuthorizer(ctx context.Context, req *apigatewayv2v1.GetAuthorizerRequest) (*apigatewayv2v1.Authorizer, error) {
	var out *apigatewayv2v1.Authorizer
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out, err = authorizerOf(a, req.GetAuthorizerId())
		return err
	})
	return out, err
}

// GetAuthorizers pages through the authorizers of an API.
func (s *Service) GetAuthorizers(ctx context.Context, req *apigatewayv2v1.GetAuthorizersRequest) (*apigatewayv2v1.GetAuthorizersResponse, error) {
	out := &apigatewayv2v1.GetAuthorizersResponse{Items: &apigatewayv2v1.AuthorizerList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.Authorizers), req.NextToken, req.MaxResults, freshAuthorizer)
		return err
	})
	return out, err
}

// UpdateAuthorizer changes the members that the request states.
func (s *Service) UpdateAuthorizer(ctx context.Context, req *apigatewayv2v1.UpdateAuthorizerRequest) (*apigatewayv2v1.Authorizer, error) {
	var z *apigatewayv2v1.Authorizer
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if z, err = authorizerOf(a, req.GetAuthorizerId()); err != nil {
			return err
		}
		req.CopyTo(z)
		if err := checkAuthorizerForm(z); err != nil {
			return err
		}
		if err := checkAuthorizerName(a, z); err != nil {
			return err
		}
		return a.Put(z, draft.Authorizers, z.GetAuthorizerId())
	})
	return z, err
}

// DeleteAuthorizer removes an authorizer that no route names.
func (s *Service) DeleteAuthorizer(ctx context.Context, req *apigatewayv2v1.DeleteAuthorizerRequest) (*emptypb.Empty, error) {
	id := req.GetAuthorizerId()
	return empty, s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		if _, err := authorizerOf(a, id); err != nil {
			return err
		}
		routes, err := routesOf(a)
		if err != nil {
			return err
		}
		for _, r := range routes {
			if r.GetAuthorizerId() == id {
				return fault.Conflict("Cannot delete authorizer '%s', is referenced in route: %s", id, r.GetRouteKey())
			}
		}
		return a.Remove(draft.Authorizers, id)
	})
}
