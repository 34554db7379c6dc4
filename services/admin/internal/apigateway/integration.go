package apigateway

import (
	"context"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Expressions of parameter mapping. spec/rest.md 4.4 and 4.9.
var (
	integrationParameter = regexp.MustCompile(`^integration\.request\.(header|querystring|path)\.[a-zA-Z0-9._$-]+$`)
	requestSource        = regexp.MustCompile(`^(method\.request\.(path|querystring|header|multivaluequerystring|multivalueheader)\.[a-zA-Z0-9._$-]+|method\.request\.body(\..+|\[.+)?|stageVariables\.\w+|context\.[\w.-]+|'[^']*')$`)
	responseParameter    = regexp.MustCompile(`^method\.response\.header\.[a-zA-Z0-9._$-]+$`)
	responseSource       = regexp.MustCompile(`^(integration\.response\.(header|multivalueheader)\.[a-zA-Z0-9._$-]+|integration\.response\.body(\..+|\[.+)?|stageVariables\.\w+|context\.[\w.-]+|'[^']*')$`)
	contentType          = regexp.MustCompile(`^([a-zA-Z0-9!#$&^_.+*-]+/[a-zA-Z0-9!#$&^_.+*-]+(\s*;.*)?|\$default)$`)
	awsTarget            = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]*:[^:]+:(path|action)/.+`)
	lambdaTarget         = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]*:(lambda:path/\d{4}-\d{2}-\d{2}/functions/.+/(response-streaming-)?invocations|firehose:.+)$`)
)

func invalidMapping(expression string) error {
	return fault.BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", expression)
}

// PutIntegration sets the integration of a method, in place of any other; its responses stay.
func (s *Service) PutIntegration(ctx context.Context, req *apigatewayv1.PutIntegrationRequest) (*apigatewayv1.Integration, error) {
	i := &apigatewayv1.Integration{}
	req.CopyTo(i)
	completeIntegration(i, req.GetResourceId())
	err := s.editMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(_ *draft.API, m *apigatewayv1.Method) error {
		if err := checkIntegration(i, m); err != nil {
			return err
		}
		i.IntegrationResponses = m.MethodIntegration.GetIntegrationResponses()
		m.MethodIntegration = i
		return nil
	})
	return i, err
}

// completeIntegration fills in AWS's defaults. spec/control-plane.md 5.1.
func completeIntegration(i *apigatewayv1.Integration, resource string) {
	orDefault(&i.TimeoutInMillis, 29000)
	orDefault(&i.PassthroughBehavior, "WHEN_NO_MATCH")
	orDefault(&i.CacheNamespace, resource)
	if i.CacheKeyParameters == nil {
		i.CacheKeyParameters = &apigatewayv1.StringList{}
	}
	switch i.GetType() {
	case "HTTP", "HTTP_PROXY":
		orDefault(&i.ConnectionType, "INTERNET")
	default:
		if i.GetConnectionType() == "INTERNET" {
			i.ConnectionType = nil
		}
	}
	if i.GetType() == "MOCK" {
		i.HttpMethod, i.Uri = nil, nil
	}
}

// checkIntegration finds the first fault of an integration and of its mappings.
func checkIntegration(i *apigatewayv1.Integration, m *apigatewayv1.Method) error {
	if err := checkTarget(i); err != nil {
		return err
	}
	if !slices.Contains([]string{"WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"}, i.GetPassthroughBehavior()) {
		return fault.BadRequest("Invalid PassthroughBehavior specified. Valid options are WHEN_NO_MATCH,WHEN_NO_TEMPLATES,NEVER")
	}
	if t := i.GetTimeoutInMillis(); t < 50 || t > 29000 {
		return fault.BadRequest("Timeout should be between 50 ms and 29000 ms")
	}
	if err := checkTemplates(i.RequestTemplates.GetEntries()); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(i.RequestParameters.GetEntries())) {
		if !integrationParameter.MatchString(key) {
			return invalidMapping(key)
		}
		if err := checkSource(i.RequestParameters.Entries[key], m); err != nil {
			return err
		}
	}
	return nil
}

// checkSource checks the source of a request mapping; a parameter of the method must be declared there.
func checkSource(source string, m *apigatewayv1.Method) error {
	if !requestSource.MatchString(source) {
		return invalidMapping(source)
	}
	declared := strings.Replace(strings.Replace(source, ".multivaluequerystring.", ".querystring.", 1), ".multivalueheader.", ".header.", 1)
	if !methodParameter.MatchString(declared) {
		return nil
	}
	if _, ok := m.RequestParameters.GetEntries()[declared]; !ok {
		return fault.BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: %s]", source)
	}
	return nil
}

func checkTemplates(templates map[string]string) error {
	for _, key := range slices.Sorted(maps.Keys(templates)) {
		if !contentType.MatchString(key) {
			return fault.BadRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", key)
		}
		if len(templates[key]) > maxTemplate {
			return fault.BadRequest("The template for %s has %d bytes, at most %d are allowed", key, len(templates[key]), maxTemplate)
		}
	}
	return nil
}

// maxTemplate is the size of a mapping template. spec/rest.md 14.
const maxTemplate = 300 << 10

// checkTarget holds the rules between type, verb and URI. spec/control-plane.md 4.5.
func checkTarget(i *apigatewayv1.Integration) error {
	kind := i.GetType()
	if kind == "MOCK" {
		return nil
	}
	if i.GetHttpMethod() == "" {
		return fault.BadRequest("Enumeration value for HttpMethod must be non-empty")
	}
	if !slices.Contains(verbs, i.GetHttpMethod()) {
		return fault.BadRequest("Invalid HttpMethod specified. Valid options are %s", strings.Join(verbs, ","))
	}
	if strings.HasPrefix(kind, "HTTP") {
		return checkHTTPURI(i)
	}
	switch uri := i.GetUri(); {
	case !strings.HasPrefix(uri, "arn:"):
		return fault.BadRequest("Invalid ARN specified in the request")
	case !awsTarget.MatchString(uri):
		return fault.BadRequest("AWS ARN for integration must contain path or action")
	case kind == "AWS_PROXY" && !lambdaTarget.MatchString(uri):
		return fault.BadRequest("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
	}
	return nil
}

// variables stand for a part of a URI until a request fills them in.
var variables = regexp.MustCompile(`\$\{stageVariables\.\w+\}|\{[^{}/]+\}`)

func checkHTTPURI(i *apigatewayv1.Integration) error {
	if i.GetConnectionType() == "VPC_LINK" && i.GetUri() == "" {
		return fault.BadRequest("Invalid integration URI specified")
	}
	text := variables.ReplaceAllString(i.GetUri(), "x")
	u, err := url.Parse(text)
	if err == nil && strings.HasPrefix(i.GetUri(), "${stageVariables.") && u.Scheme == "" {
		return nil
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fault.BadRequest("Invalid HTTP endpoint specified for URI")
	}
	return nil
}

// GetIntegration answers the integration of a method.
func (s *Service) GetIntegration(ctx context.Context, req *apigatewayv1.GetIntegrationRequest) (*apigatewayv1.Integration, error) {
	var out *apigatewayv1.Integration
	err := s.readMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method) error {
		if out = m.MethodIntegration; out == nil {
			return unknownIntegration
		}
		return nil
	})
	return out, err
}

// editIntegration runs fn over the integration of a method.
func (s *Service) editIntegration(ctx context.Context, api, resource, verb string, fn func(*apigatewayv1.Method, *apigatewayv1.Integration) error) error {
	return s.editMethod(ctx, api, resource, verb, func(_ *draft.API, m *apigatewayv1.Method) error {
		if m.MethodIntegration == nil {
			return unknownIntegration
		}
		return fn(m, m.MethodIntegration)
	})
}

// UpdateIntegration patches the integration of a method.
func (s *Service) UpdateIntegration(ctx context.Context, req *apigatewayv1.UpdateIntegrationRequest) (*apigatewayv1.Integration, error) {
	var out *apigatewayv1.Integration
	err := s.editIntegration(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method, i *apigatewayv1.Integration) error {
		if err := patch.Integration.Apply(i, req.PatchOperations); err != nil {
			return err
		}
		out = i
		return checkIntegration(i, m)
	})
	return out, err
}

// DeleteIntegration removes the integration of a method with its responses.
func (s *Service) DeleteIntegration(ctx context.Context, req *apigatewayv1.DeleteIntegrationRequest) (*emptypb.Empty, error) {
	return empty, s.editIntegration(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method, _ *apigatewayv1.Integration) error {
		m.MethodIntegration = nil
		return nil
	})
}

// PutIntegrationResponse sets how one answer of the backend becomes an answer of the method; it is an upsert.
func (s *Service) PutIntegrationResponse(ctx context.Context, req *apigatewayv1.PutIntegrationResponseRequest) (*apigatewayv1.IntegrationResponse, error) {
	r := &apigatewayv1.IntegrationResponse{}
	req.CopyTo(r)
	err := s.editIntegration(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(_ *apigatewayv1.Method, i *apigatewayv1.Integration) error {
		if err := checkIntegrationResponse(r); err != nil {
			return err
		}
		if i.IntegrationResponses == nil {
			i.IntegrationResponses = &apigatewayv1.IntegrationResponseMap{}
		}
		if i.IntegrationResponses.Entries == nil {
			i.IntegrationResponses.Entries = map[string]*apigatewayv1.IntegrationResponse{}
		}
		i.IntegrationResponses.Entries[r.GetStatusCode()] = r
		return nil
	})
	return r, err
}

func checkIntegrationResponse(r *apigatewayv1.IntegrationResponse) error {
	if err := checkTemplates(r.ResponseTemplates.GetEntries()); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(r.ResponseParameters.GetEntries())) {
		if !responseParameter.MatchString(key) {
			return invalidMapping(key)
		}
		if source := r.ResponseParameters.Entries[key]; !responseSource.MatchString(source) {
			return invalidMapping(source)
		}
	}
	return nil
}

// GetIntegrationResponse answers one integration response.
func (s *Service) GetIntegrationResponse(ctx context.Context, req *apigatewayv1.GetIntegrationResponseRequest) (*apigatewayv1.IntegrationResponse, error) {
	var out *apigatewayv1.IntegrationResponse
	err := s.readMethod(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(m *apigatewayv1.Method) error {
		if m.MethodIntegration == nil {
			return unknownIntegration
		}
		if out = m.MethodIntegration.IntegrationResponses.GetEntries()[req.GetStatusCode()]; out == nil {
			return unknownStatus
		}
		return nil
	})
	return out, err
}

// UpdateIntegrationResponse patches one integration response.
func (s *Service) UpdateIntegrationResponse(ctx context.Context, req *apigatewayv1.UpdateIntegrationResponseRequest) (*apigatewayv1.IntegrationResponse, error) {
	var out *apigatewayv1.IntegrationResponse
	err := s.editIntegration(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(_ *apigatewayv1.Method, i *apigatewayv1.Integration) error {
		if out = i.IntegrationResponses.GetEntries()[req.GetStatusCode()]; out == nil {
			return unknownStatus
		}
		if err := patch.IntegrationResponse.Apply(out, req.PatchOperations); err != nil {
			return err
		}
		return checkIntegrationResponse(out)
	})
	return out, err
}

// DeleteIntegrationResponse removes one integration response. A method that is not there is blamed on the integration
// (spec/control-plane.md 4.3).
func (s *Service) DeleteIntegrationResponse(ctx context.Context, req *apigatewayv1.DeleteIntegrationResponseRequest) (*emptypb.Empty, error) {
	err := s.editIntegration(ctx, req.GetRestApiId(), req.GetResourceId(), req.GetHttpMethod(), func(_ *apigatewayv1.Method, i *apigatewayv1.Integration) error {
		entries := i.IntegrationResponses.GetEntries()
		if entries[req.GetStatusCode()] == nil {
			return unknownStatus
		}
		delete(entries, req.GetStatusCode())
		if len(entries) == 0 {
			i.IntegrationResponses = nil
		}
		return nil
	})
	if err == unknownMethod {
		err = unknownIntegration
	}
	return empty, err
}
