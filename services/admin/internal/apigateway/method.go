package apigateway

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var verbs = []string{"GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"}

// authorizationTypes of a method; CUSTOM and COGNITO_USER_POOLS name an authorizer.
var authorizationTypes = []string{"NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"}

// methodParameter is the name of a method request parameter. spec/rest.md 2.1.
var methodParameter = regexp.MustCompile(`^method\.request\.(querystring|header|path)\.([a-zA-Z0-9._$-]+)$`)

// methodOf reads a method; the API or the resource that is not there is blamed on the resource.
func methodOf(a *draft.API, resource, verb string) (*apigatewayv1.Method, error) {
	m := &apigatewayv1.Method{}
	ok, err := a.Get(m, draft.Methods, resource, verb)
	if err != nil || ok {
		return m, err
	}
	ok, err = a.Has(draft.Resources, resource)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknownResource
	}
	return nil, unknownMethod
}

// editMethod runs fn over a method and stores what it changed.
func (s *Service) editMethod(ctx context.Context, api, resource, verb string, fn func(*draft.API, *apigatewayv1.Method) error) error {
	return s.editAPI(ctx, api, unknownResource, func(a *draft.API) error {
		m, err := methodOf(a, resource, verb)
		if err != nil {
			return err
		}
		if err := fn(a, m); err != nil {
			return err
		}
		return a.Put(m, draft.Methods, resource, verb)
	})
}

func (s *Service) readMethod(ctx context.Context, api, resource, verb string, fn func(*apigatewayv1.Method) error) error {
	return s.readAPI(ctx, api, unknownResource, func(a *draft.API) error {
		m, err := methodOf(a, resource, verb)
		if err != nil {
			return err
		}
		return fn(m)
	})
}

// PutMethod makes a method. It is not idempotent: a method that exists is a conflict, and Terraform depends on it.
func (s *Service) PutMethod(ctx context.Context, req *apigatewayv1.PutMethodRequest) (*apigatewayv1.Method, error) {
	m := &apigatewayv1.Method{}
	req.CopyTo(m)
	orDefault(&m.ApiKeyRequired, false)
	upperAuthorization(m)
	err := s.editAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		ok, err := a.Has(draft.Resources, req.GetResourceId())
		if err != nil {
			return err
		}
		if !ok {
			return unknownResource
		}
		if !slices.Contains(verbs, m.GetHttpMethod()) {
			return fault.BadRequest("Invalid HttpMethod specified. Valid options are %s", strings.Join(verbs, ","))
		}
		if err := checkMethod(stored{a}, m); err != nil {
			return err
		}
		exists, err := a.Has(draft.Methods, req.GetResourceId(), m.GetHttpMethod())
		if err != nil {
			return err
		}
		if exists {
			return fault.Conflict("Method already exists for this resource")
		}
		return a.Put(m, draft.Methods, req.GetResourceId(), m.GetHttpMethod())
	})
	return m, err
}

// declared is what a method may name of its API: the draft as a transaction sees it, or the tree that an import makes.
type declared interface {
	hasValidator(id string) (bool, error)
	hasModel(name string) (bool, error)
	// authorizer answers nil when there is none.
	authorizer(id string) (*apigatewayv1.Authorizer, error)
}

// stored is what the draft of an API declares.
type stored struct{ a *draft.API }

func (s stored) hasValidator(id string) (bool, error) { return s.a.Has(draft.Validators, id) }
func (s stored) hasModel(name string) (bool, error)   { return s.a.Has(draft.Models, name) }

func (s stored) authorizer(id string) (*apigatewayv1.Authorizer, error) {
	authorizer := &apigatewayv1.Authorizer{}
	ok, err := s.a.Get(authorizer, draft.Authorizers, id)
	if !ok {
		return nil, err
	}
	return authorizer, err
}

// upperAuthorization: AWS takes "none" for NONE.
func upperAuthorization(m *apigatewayv1.Method) {
	if m.AuthorizationType != nil {
		m.AuthorizationType = ptr(strings.ToUpper(m.GetAuthorizationType()))
	}
}

// checkMethod holds the rules between a method and the rest of its API.
func checkMethod(d declared, m *apigatewayv1.Method) error {
	if !slices.Contains(authorizationTypes, m.GetAuthorizationType()) {
		return fault.BadRequest("Invalid authorization type specified. Valid options are %s", strings.Join(authorizationTypes, ","))
	}
	if err := checkAuthorizer(d, m); err != nil {
		return err
	}
	if id := m.GetRequestValidatorId(); id != "" {
		ok, err := d.hasValidator(id)
		if err != nil {
			return err
		}
		if !ok {
			return fault.BadRequest("Invalid Request Validator identifier specified")
		}
	}
	if err := checkModels(d, m.RequestModels); err != nil {
		return err
	}
	return checkMethodParameters(m.RequestParameters.GetEntries())
}

func checkAuthorizer(d declared, m *apigatewayv1.Method) error {
	kind := m.GetAuthorizationType()
	if kind != "CUSTOM" && kind != "COGNITO_USER_POOLS" {
		return nil
	}
	var authorizer *apigatewayv1.Authorizer
	if id := m.GetAuthorizerId(); id != "" {
		var err error
		if authorizer, err = d.authorizer(id); err != nil {
			return err
		}
	}
	cognito := authorizer.GetType() == "COGNITO_USER_POOLS"
	if authorizer == nil || cognito != (kind == "COGNITO_USER_POOLS") {
		return fault.BadRequest("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
	}
	return nil
}

// checkModels: a method names models that exist.
func checkModels(d declared, models *apigatewayv1.StringMap) error {
	for _, contentType := range slices.Sorted(maps.Keys(models.GetEntries())) {
		name := models.Entries[contentType]
		ok, err := d.hasModel(name)
		if err != nil {
			return err
		}
		if !ok {
			return fault.BadRequest("Invalid model identifier specified: %s", name)
		}
	}
	return nil
}

func checkMethodParameters(parameters map[string]bool) error {
	places := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		parts := methodParameter.FindStringSubmatch(key)
		if parts == nil {
			return fault.BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", key)
		}
		if other := places[parts[2]]; other != "" && other != parts[1] {
			return fault.BadRequest("Parameter names must be unique across querystring, header and path")
		}
		places[parts[2]] = parts[1]
	}
	return nil
}

// GetMethod answers a method with its integration and responses.
func (s *Service) GetMethod(ctx context.Context, req *apigatewayv1.GetMethodRequest) (*apigatewayv1.Method, error) {
	var out *apigatewayv1.Method
	err := s.readMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method) error {
		out = m
		return nil
	})
	return out, err
}

// UpdateMethod patches a method.
func (s *Service) UpdateMethod(ctx context.Context, req *apigatewayv1.UpdateMethodRequest) (*apigatewayv1.Method, error) {
	var out *apigatewayv1.Method
	err := s.editMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(a *draft.API, m *apigatewayv1.Method) error {
		if err := patch.Method.Apply(m, req.PatchOperations); err != nil {
			return err
		}
		upperAuthorization(m)
		if kind := m.GetAuthorizationType(); kind == "NONE" || kind == "AWS_IAM" {
			m.AuthorizerId = nil // accepted and ignored (spec/control-plane.md 6.1)
		}
		out = m
		return checkMethod(stored{a}, m)
	})
	return out, err
}

// DeleteMethod removes a method with its integration and responses.
func (s *Service) DeleteMethod(ctx context.Context, req *apigatewayv1.DeleteMethodRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetRestApiId(), unknownResource, func(a *draft.API) error {
		if _, err := methodOf(a, req.GetResourceId(), req.GetHttpMethod()); err != nil {
			return err
		}
		return a.Remove(draft.Methods, req.GetResourceId(), req.GetHttpMethod())
	})
}
