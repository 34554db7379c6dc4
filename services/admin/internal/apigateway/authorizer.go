package apigateway

import (
	"context"
	"regexp"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var (
	unknownAuthorizer = fault.NotFound("Invalid Authorizer identifier specified")
	// authorizerTarget is a Lambda invocation; stage variables may stand in the function's part.
	authorizerTarget = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]*:lambda:path/\d{4}-\d{2}-\d{2}/functions/.+/invocations$`)
	userPool         = regexp.MustCompile(`^arn:[^:]+:cognito-idp:.+:userpool/.+$`)
	stageVariable    = regexp.MustCompile(`\$\{stageVariables\.\w+\}`)
	headerSource     = regexp.MustCompile(`^method\.request\.header\.[a-zA-Z0-9._$-]+$`)
	identitySource   = regexp.MustCompile(`^(method\.request\.(header|querystring)\.[a-zA-Z0-9._$-]+|stageVariables\.\w+|context\.[\w.-]+)$`)
)

// Limits of authorizers. spec/rest.md 3.1.
const (
	defaultAuthorizerTTL = 300
	maxProviders         = 1000
)

const cognito = "COGNITO_USER_POOLS"

func freshAuthorizer() *apigatewayv1.Authorizer { return &apigatewayv1.Authorizer{} }

// CreateAuthorizer adds an authorizer. A missing API is a conflict here, with the text of a busy one
// (spec/control-plane.md 4.3).
func (s *Service) CreateAuthorizer(ctx context.Context, req *apigatewayv1.CreateAuthorizerRequest) (*apigatewayv1.Authorizer, error) {
	z := &apigatewayv1.Authorizer{}
	req.CopyTo(z)
	completeAuthorizer(z)
	err := s.editAPI(ctx, req.GetRestApiId(), draft.Busy(), func(a *draft.API) error {
		if err := checkAuthorizerForm(z); err != nil {
			return err
		}
		id, err := contentID(a, draft.Authorizers)
		if err != nil {
			return err
		}
		z.Id = &id
		if err := checkAuthorizerName(a, z); err != nil {
			return err
		}
		return a.Put(z, draft.Authorizers, id)
	})
	return z, err
}

// completeAuthorizer fills in AWS's defaults. Credentials of a user pool authorizer are ignored at creation; a later patch
// sets them (spec/control-plane.md 5).
func completeAuthorizer(z *apigatewayv1.Authorizer) {
	orDefault(&z.AuthorizerResultTtlInSeconds, defaultAuthorizerTTL)
	kind := "custom"
	if z.GetType() == cognito {
		kind, z.AuthorizerCredentials = "cognito_user_pools", nil
	}
	orDefault(&z.AuthType, kind)
}

// checkAuthorizerForm finds the first fault of what does not depend on the API.
func checkAuthorizerForm(z *apigatewayv1.Authorizer) error {
	if z.GetName() == "" {
		return fault.BadRequest("Authorizer name must be non-empty")
	}
	if ttl := z.GetAuthorizerResultTtlInSeconds(); ttl < patch.MinAuthorizerTTL || ttl > patch.MaxAuthorizerTTL {
		return fault.BadRequest("%s", patch.InvalidTTL)
	}
	sources := patch.SplitList(z.GetIdentitySource())
	if z.GetType() == cognito {
		if err := checkProviders(z.ProviderArNs.GetItems()); err != nil {
			return err
		}
		return checkHeaderSource(z, sources)
	}
	if !authorizerTarget.MatchString(z.GetAuthorizerUri()) {
		return fault.BadRequest("Invalid Authorizer URI: %s. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.", z.GetAuthorizerUri())
	}
	if z.GetType() == "TOKEN" {
		return checkHeaderSource(z, sources)
	}
	return checkSources(z, sources)
}

func checkProviders(pools []string) error {
	if len(pools) == 0 || len(pools) > maxProviders {
		return fault.BadRequest("An authorizer of type %s needs 1 to %d provider ARNs", cognito, maxProviders)
	}
	for _, pool := range pools {
		if !userPool.MatchString(stageVariable.ReplaceAllString(pool, "x")) && !stageVariable.MatchString(pool) {
			return fault.BadRequest("Invalid ARN. ARN is not well formed %s", pool)
		}
	}
	return nil
}

// checkHeaderSource: TOKEN and user pool authorizers read exactly one header.
func checkHeaderSource(z *apigatewayv1.Authorizer, sources []string) error {
	if len(sources) != 1 {
		return fault.BadRequest("An authorizer of type %s needs exactly one identity source: method.request.header.{name}", z.GetType())
	}
	if !headerSource.MatchString(sources[0]) {
		return invalidMapping(sources[0])
	}
	return nil
}

// checkSources: a REQUEST authorizer needs sources when its answers are kept. Path parameters cannot be among them.
func checkSources(z *apigatewayv1.Authorizer, sources []string) error {
	if len(sources) == 0 && z.GetAuthorizerResultTtlInSeconds() > 0 {
		return fault.BadRequest("Identity sources are required when authorizer caching is enabled")
	}
	for _, source := range sources {
		if !identitySource.MatchString(source) {
			return invalidMapping(source)
		}
	}
	return nil
}

// checkAuthorizerName: names are unique within an API.
func checkAuthorizerName(a *draft.API, z *apigatewayv1.Authorizer) error {
	others, err := draft.All(a, freshAuthorizer, draft.Authorizers)
	for _, o := range others {
		if o.GetName() == z.GetName() && o.GetId() != z.GetId() {
			return fault.BadRequest("Authorizer name must be unique. Authorizer %s already exists in this RestApi.", z.GetName())
		}
	}
	return err
}

func authorizerOf(a *draft.API, id string) (*apigatewayv1.Authorizer, error) {
	z := &apigatewayv1.Authorizer{}
	ok, err := a.Get(z, draft.Authorizers, id)
	if err == nil && !ok {
		err = unknownAuthorizer
	}
	return z, err
}

// GetAuthorizer answers one authorizer.
func (s *Service) GetAuthorizer(ctx context.Context, req *apigatewayv1.GetAuthorizerRequest) (*apigatewayv1.Authorizer, error) {
	var out *apigatewayv1.Authorizer
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) (err error) {
		out, err = authorizerOf(a, req.GetAuthorizerId())
		return err
	})
	return out, err
}

// GetAuthorizers pages through the authorizers of an API, in the order of their ids.
func (s *Service) GetAuthorizers(ctx context.Context, req *apigatewayv1.GetAuthorizersRequest) (*apigatewayv1.Authorizers, error) {
	out := &apigatewayv1.Authorizers{Items: &apigatewayv1.AuthorizerList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		items, next, err := list(a.Tx(), a.Prefix(draft.Authorizers), req.Position, req.Limit, freshAuthorizer, nil)
		out.Items.Items, out.Position = items, next
		return err
	})
	return out, err
}

// UpdateAuthorizer patches an authorizer. Its type cannot change below methods that depend on it.
func (s *Service) UpdateAuthorizer(ctx context.Context, req *apigatewayv1.UpdateAuthorizerRequest) (*apigatewayv1.Authorizer, error) {
	var out *apigatewayv1.Authorizer
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		z, err := authorizerOf(a, req.GetAuthorizerId())
		if err != nil {
			return err
		}
		pools := z.GetType() == cognito
		if err := patch.Authorizer.Apply(z, req.PatchOperations); err != nil {
			return err
		}
		if err := checkAuthorizerForm(z); err != nil {
			return err
		}
		if err := checkAuthorizerName(a, z); err != nil {
			return err
		}
		if pools != (z.GetType() == cognito) {
			if err := checkAuthorizerUnused(a, z.GetId(), "change the type of"); err != nil {
				return err
			}
		}
		out = z
		return a.Put(z, draft.Authorizers, z.GetId())
	})
	return out, err
}

// DeleteAuthorizer removes an authorizer that no method names.
func (s *Service) DeleteAuthorizer(ctx context.Context, req *apigatewayv1.DeleteAuthorizerRequest) (*emptypb.Empty, error) {
	return empty, s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		if _, err := authorizerOf(a, req.GetAuthorizerId()); err != nil {
			return err
		}
		if err := checkAuthorizerUnused(a, req.GetAuthorizerId(), "delete"); err != nil {
			return err
		}
		return a.Remove(draft.Authorizers, req.GetAuthorizerId())
	})
}

func checkAuthorizerUnused(a *draft.API, id, verb string) error {
	user, err := lastUser(a, func(m *apigatewayv1.Method) bool { return m.GetAuthorizerId() == id })
	if err == nil && user != "" {
		err = fault.Conflict("Cannot %s authorizer '%s', is referenced in method: %s", verb, id, user)
	}
	return err
}
