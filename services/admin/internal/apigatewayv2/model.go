package apigatewayv2

import (
	"context"
	"encoding/json"
	"regexp"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/schema"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var modelName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)

func freshModel() *apigatewayv2v1.Model { return &apigatewayv2v1.Model{} }

func modelOf(a *draft.API, id string) (*apigatewayv2v1.Model, error) {
	return find(a, freshModel(), unknown("Model", id), draft.Models, id)
}

// CreateModel adds a schema to an API.
func (s *Service) CreateModel(ctx context.Context, req *apigatewayv2v1.CreateModelRequest) (*apigatewayv2v1.Model, error) {
	m := freshModel()
	req.CopyTo(m)
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if m.ModelId, err = newID(a, shortID, draft.Models); err != nil {
			return err
		}
		if err := checkModel(a, m); err != nil {
			return err
		}
		return a.Put(m, draft.Models, m.GetModelId())
	})
	return m, err
}

// checkModel tidies a model and finds its first fault. disableSchemaValidation leaves the schema unread.
func checkModel(a *draft.API, m *apigatewayv2v1.Model) error {
	if err := tidy(m); err != nil {
		return err
	}
	orDefault(&m.ContentType, "application/json")
	switch {
	case m.Name == nil:
		return fault.BadRequest("Model name must be non-empty")
	case !modelName.MatchString(m.GetName()):
		return fault.BadRequest("Model name must be alphanumeric: %s", m.GetName())
	case m.Schema == nil:
		return fault.BadRequest("Model schema must have at least 1 property or array items defined")
	case !a.V2.GetDisableSchemaValidation() && !isSchema(m.GetSchema()):
		return fault.BadRequest("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	others, err := draft.All(a, freshModel, draft.Models)
	for _, o := range others {
		if o.GetName() == m.GetName() && o.GetModelId() != m.GetModelId() {
			return fault.Conflict("Model name already exists for this API")
		}
	}
	return err
}

// isSchema tells whether a text can be a schema: one JSON object. What it refers to is checked when it is used.
func isSchema(text string) bool {
	var object map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &object) != nil || object == nil {
		return false
	}
	_, err := schema.Parse(text)
	return err == nil
}

// GetModel answers one model.
func (s *Service) GetModel(ctx context.Context, req *apigatewayv2v1.GetModelRequest) (*apigatewayv2v1.Model, error) {
	var out *apigatewayv2v1.Model
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out, err = modelOf(a, req.GetModelId())
		return err
	})
	return out, err
}

// GetModels pages through the models of an API.
func (s *Service) GetModels(ctx context.Context, req *apigatewayv2v1.GetModelsRequest) (*apigatewayv2v1.GetModelsResponse, error) {
	out := &apigatewayv2v1.GetModelsResponse{Items: &apigatewayv2v1.ModelList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.Models), req.NextToken, req.MaxResults, freshModel)
		return err
	})
	return out, err
}

// UpdateModel changes the members that the request states. A model keeps its name while a route names it.
func (s *Service) UpdateModel(ctx context.Context, req *apigatewayv2v1.UpdateModelRequest) (*apigatewayv2v1.Model, error) {
	var m *apigatewayv2v1.Model
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if m, err = modelOf(a, req.GetModelId()); err != nil {
			return err
		}
		before := m.GetName()
		req.CopyTo(m)
		if err := checkModel(a, m); err != nil {
			return err
		}
		if m.GetName() != before {
			if err := checkModelUnused(a, before, "rename"); err != nil {
				return err
			}
		}
		return a.Put(m, draft.Models, m.GetModelId())
	})
	return m, err
}

// DeleteModel removes a model that no route names.
func (s *Service) DeleteModel(ctx context.Context, req *apigatewayv2v1.DeleteModelRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		m, err := modelOf(a, req.GetModelId())
		if err != nil {
			return err
		}
		if err := checkModelUnused(a, m.GetName(), "delete"); err != nil {
			return err
		}
		return a.Remove(draft.Models, req.GetModelId())
	})
}

func checkModelUnused(a *draft.API, name, verb string) error {
	routes, err := routesOf(a)
	if err != nil {
		return err
	}
	for _, r := range routes {
		if names(r.RequestModels, name) {
			return fault.Conflict("Cannot %s model '%s', is referenced in route request: %s", verb, name, r.GetRouteKey())
		}
		responses, err := draft.All(a, freshRouteResponse, draft.RouteResponses, r.GetRouteId())
		if err != nil {
			return err
		}
		for _, response := range responses {
			if names(response.ResponseModels, name) {
				return fault.Conflict("Cannot %s model '%s', is referenced in route response: %s", verb, name, r.GetRouteKey())
			}
		}
	}
	return nil
}

// names tells whether a map names a model.
func names(models *apigatewayv2v1.StringMap, name string) bool {
	for _, n := range models.GetEntries() {
		if n == name {
			return true
		}
	}
	return false
}
