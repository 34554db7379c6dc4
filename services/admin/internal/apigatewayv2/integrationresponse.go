package apigatewayv2

import (
	"context"
	"regexp"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Forms of integration responses. spec/websocket.md 14 and 16.
var (
	responseKey         = regexp.MustCompile(`^(\$default|/.+/)$`)
	responseDestination = regexp.MustCompile(`^method\.response\.header\.[a-zA-Z0-9._$-]+$`)
	responseSource      = regexp.MustCompile(`^(integration\.response\.(header|multivalueheader)\.[a-zA-Z0-9._$-]+|integration\.response\.body(\..+|\[.+)?|stageVariables\.\w+|context\.[\w.-]+|'[^']*')$`)
)

func freshIntegrationResponse() *apigatewayv2v1.IntegrationResponse {
	return &apigatewayv2v1.IntegrationResponse{}
}

// editIntegrationResponses runs fn over an API that has the integration.
func (s *Service) editIntegrationResponses(ctx context.Context, api, integration string, fn func(*draft.API) error) error {
	return s.editAPI(ctx, api, func(a *draft.API) error {
		if _, err := integrationOf(a, integration); err != nil {
			return err
		}
		return fn(a)
	})
}

func integrationResponseOf(a *draft.API, integration, id string) (*apigatewayv2v1.IntegrationResponse, error) {
	return find(a, freshIntegrationResponse(), unknown("IntegrationResponse", id), draft.IntegrationResponses, integration, id)
}

// CreateIntegrationResponse says what becomes of answers of a backend that its key fits.
func (s *Service) CreateIntegrationResponse(ctx context.Context, req *apigatewayv2v1.CreateIntegrationResponseRequest) (*apigatewayv2v1.IntegrationResponse, error) {
	r := freshIntegrationResponse()
	req.CopyTo(r)
	r.ResponseParameters = merged(nil, req.ResponseParameters)
	err := s.editIntegrationResponses(ctx, req.GetApiId(), req.GetIntegrationId(), func(a *draft.API) error {
		id, err := newID(a, routeID, draft.IntegrationResponses, req.GetIntegrationId())
		if err != nil {
			return err
		}
		r.IntegrationResponseId = id
		if err := checkIntegrationResponse(a, req.GetIntegrationId(), r); err != nil {
			return err
		}
		return a.Put(r, draft.IntegrationResponses, req.GetIntegrationId(), *id)
	})
	return r, err
}

func checkIntegrationResponse(a *draft.API, integration string, r *apigatewayv2v1.IntegrationResponse) error {
	if err := tidy(r); err != nil {
		return err
	}
	if !responseKey.MatchString(r.GetIntegrationResponseKey()) {
		return fault.BadRequest("Invalid integrationResponseKey specified: %s. It should be $default or a regular expression between slashes", r.GetIntegrationResponseKey())
	}
	if err := checkSelection("templateSelectionExpression", r.GetTemplateSelectionExpression(), expression.CompileResponseSelection); err != nil {
		return err
	}
	if err := checkTemplates(r.ResponseTemplates); err != nil {
		return err
	}
	if err := checkMapping(r.ResponseParameters, responseDestination, responseSource); err != nil {
		return err
	}
	others, err := draft.All(a, freshIntegrationResponse, draft.IntegrationResponses, integration)
	for _, o := range others {
		if o.GetIntegrationResponseKey() == r.GetIntegrationResponseKey() && o.GetIntegrationResponseId() != r.GetIntegrationResponseId() {
			return fault.Conflict("IntegrationResponse with key %s already exists for this Integration", r.GetIntegrationResponseKey())
		}
	}
	return err
}

// GetIntegrationResponse answers one integration response.
func (s *Service) GetIntegrationResponse(ctx context.Context, req *apigatewayv2v1.GetIntegrationResponseRequest) (*apigatewayv2v1.IntegrationResponse, error) {
	var out *apigatewayv2v1.IntegrationResponse
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if _, err := integrationOf(a, req.GetIntegrationId()); err != nil {
			return err
		}
		out, err = integrationResponseOf(a, req.GetIntegrationId(), req.GetIntegrationResponseId())
		return err
	})
	return out, err
}

// GetIntegrationResponses pages through the responses of an integration.
func (s *Service) GetIntegrationResponses(ctx context.Context, req *apigatewayv2v1.GetIntegrationResponsesRequest) (*apigatewayv2v1.GetIntegrationResponsesResponse, error) {
	out := &apigatewayv2v1.GetIntegrationResponsesResponse{Items: &apigatewayv2v1.IntegrationResponseList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if _, err := integrationOf(a, req.GetIntegrationId()); err != nil {
			return err
		}
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.IntegrationResponses, req.GetIntegrationId()), req.NextToken, req.MaxResults, freshIntegrationResponse)
		return err
	})
	return out, err
}

// UpdateIntegrationResponse changes the members that the request states; response parameters are merged.
func (s *Service) UpdateIntegrationResponse(ctx context.Context, req *apigatewayv2v1.UpdateIntegrationResponseRequest) (*apigatewayv2v1.IntegrationResponse, error) {
	var r *apigatewayv2v1.IntegrationResponse
	err := s.editIntegrationResponses(ctx, req.GetApiId(), req.GetIntegrationId(), func(a *draft.API) (err error) {
		if r, err = integrationResponseOf(a, req.GetIntegrationId(), req.GetIntegrationResponseId()); err != nil {
			return err
		}
		parameters := r.ResponseParameters
		req.CopyTo(r)
		r.ResponseParameters = merged(parameters, req.ResponseParameters)
		if err := checkIntegrationResponse(a, req.GetIntegrationId(), r); err != nil {
			return err
		}
		return a.Put(r, draft.IntegrationResponses, req.GetIntegrationId(), r.GetIntegrationResponseId())
	})
	return r, err
}

// DeleteIntegrationResponse removes one integration response.
func (s *Service) DeleteIntegrationResponse(ctx context.Context, req *apigatewayv2v1.DeleteIntegrationResponseRequest) (*emptypb.Empty, error) {
	return empty, s.editIntegrationResponses(ctx, req.GetApiId(), req.GetIntegrationId(), func(a *draft.API) error {
		if _, err := integrationResponseOf(a, req.GetIntegrationId(), req.GetIntegrationResponseId()); err != nil {
			return err
		}
		return a.Remove(draft.IntegrationResponses, req.GetIntegrationId(), req.GetIntegrationResponseId())
	})
}
