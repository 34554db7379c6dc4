package apigateway

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var unknownValidator = fault.NotFound("Invalid Request Validator identifier specified")

func freshValidator() *apigatewayv1.RequestValidator { return &apigatewayv1.RequestValidator{} }

// CreateRequestValidator adds a validator. A missing API is a 400 here, with a text of its own (spec/control-plane.md 4.3).
func (s *Service) CreateRequestValidator(ctx context.Context, req *apigatewayv1.CreateRequestValidatorRequest) (*apigatewayv1.RequestValidator, error) {
	v := &apigatewayv1.RequestValidator{}
	req.CopyTo(v)
	orDefault(&v.ValidateRequestBody, false)
	orDefault(&v.ValidateRequestParameters, false)
	err := s.editAPI(ctx, req.GetRestApiId(), fault.BadRequest("Invalid REST API identifier specified"), func(a *draft.API) error {
		if v.Name != nil {
			if err := checkValidator(v); err != nil {
				return err
			}
		}
		id, err := contentID(a, draft.Validators)
		if err != nil {
			return err
		}
		v.Id = &id
		return a.Put(v, draft.Validators, id)
	})
	return v, err
}

func checkValidator(v *apigatewayv1.RequestValidator) error {
	if strings.TrimSpace(v.GetName()) == "" {
		return fault.BadRequest("Request Validator name cannot be blank")
	}
	return nil
}

func validatorOf(a *draft.API, id string) (*apigatewayv1.RequestValidator, error) {
	v := &apigatewayv1.RequestValidator{}
	ok, err := a.Get(v, draft.Validators, id)
	if err == nil && !ok {
		err = unknownValidator
	}
	return v, err
}

// GetRequestValidator answers one validator.
func (s *Service) GetRequestValidator(ctx context.Context, req *apigatewayv1.GetRequestValidatorRequest) (*apigatewayv1.RequestValidator, error) {
	var out *apigatewayv1.RequestValidator
	err := s.readAPI(ctx, req.GetRestApiId(), unknownValidator, func(a *draft.API) (err error) {
		out, err = validatorOf(a, req.GetRequestValidatorId())
		return err
	})
	return out, err
}

// GetRequestValidators pages through the validators of an API, in the order of their ids.
func (s *Service) GetRequestValidators(ctx context.Context, req *apigatewayv1.GetRequestValidatorsRequest) (*apigatewayv1.RequestValidators, error) {
	out := &apigatewayv1.RequestValidators{Items: &apigatewayv1.RequestValidatorList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		items, next, err := list(a.Tx(), a.Prefix(draft.Validators), req.Position, req.Limit, freshValidator, nil)
		out.Items.Items, out.Position = items, next
		return err
	})
	return out, err
}

// UpdateRequestValidator patches a validator.
func (s *Service) UpdateRequestValidator(ctx context.Context, req *apigatewayv1.UpdateRequestValidatorRequest) (*apigatewayv1.RequestValidator, error) {
	var out *apigatewayv1.RequestValidator
	err := s.editAPI(ctx, req.GetRestApiId(), unknownValidator, func(a *draft.API) error {
		v, err := validatorOf(a, req.GetRequestValidatorId())
		if err != nil {
			return err
		}
		before := v.GetName()
		if err := patch.RequestValidator.Apply(v, req.PatchOperations); err != nil {
			return err
		}
		if v.GetName() != before {
			if err := checkValidator(v); err != nil {
				return err
			}
		}
		out = v
		return a.Put(v, draft.Validators, v.GetId())
	})
	return out, err
}

// DeleteRequestValidator removes a validator that no method names.
func (s *Service) DeleteRequestValidator(ctx context.Context, req *apigatewayv1.DeleteRequestValidatorRequest) (*emptypb.Empty, error) {
	id := req.GetRequestValidatorId()
	return empty, s.editAPI(ctx, req.GetRestApiId(), unknownValidator, func(a *draft.API) error {
		if _, err := validatorOf(a, id); err != nil {
			return err
		}
		user, err := lastUser(a, func(m *apigatewayv1.Method) bool { return m.GetRequestValidatorId() == id })
		if err != nil {
			return err
		}
		if user != "" {
			return fault.Conflict("Cannot delete request validator '%s', is referenced in method: %s", id, user)
		}
		return a.Remove(draft.Validators, id)
	})
}
