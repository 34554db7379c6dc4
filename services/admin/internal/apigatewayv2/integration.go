package apigatewayv2

import (
	"context"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Forms of parameter mapping and of targets. spec/websocket.md 13 and 14.
var (
	requestDestination = regexp.MustCompile(`^integration\.request\.(header|querystring|path)\.[a-zA-Z0-9._$-]+$`)
	requestSource      = regexp.MustCompile(`^(route\.request\.(querystring|multivaluequerystring|header|multivalueheader)\.[a-zA-Z0-9._$-]+|route\.request\.body(\..+|\[.+)?|stageVariables\.\w+|context\.[\w.-]+|'[^']*')$`)
	lambdaTarget       = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]*:lambda:path/\d{4}-\d{2}-\d{2}/functions/.+/invocations$`)
	awsTarget          = regexp.MustCompile(`^arn:[^:]+:apigateway:[^:]*:[^:]+:(path|action)/.+`)
	verbs              = regexp.MustCompile(`^(GET|PUT|POST|DELETE|PATCH|OPTIONS|HEAD|ANY)$`)
	// uriVariables stand for a part of a URI until a message fills them in.
	uriVariables = regexp.MustCompile(`\$\{stageVariables\.\w+\}|\{[^{}/]+\}`)
)

const maxTimeout = 29000 // milliseconds; also the default. spec/websocket.md 13

func freshIntegration() *apigatewayv2v1.Integration { return &apigatewayv2v1.Integration{} }

func integrationOf(a *draft.API, id string) (*apigatewayv2v1.Integration, error) {
	return find(a, freshIntegration(), unknown("Integration", id), draft.Integrations, id)
}

// CreateIntegration adds an integration, which routes may then name as their target.
func (s *Service) CreateIntegration(ctx context.Context, req *apigatewayv2v1.CreateIntegrationRequest) (*apigatewayv2v1.Integration, error) {
	i := freshIntegration()
	req.CopyTo(i)
	i.RequestParameters = merged(nil, req.RequestParameters)
	i.TlsConfig = tlsConfig(nil, req.TlsConfig)
	if err := completeIntegration(i); err != nil {
		return nil, err
	}
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if i.IntegrationId, err = newID(a, routeID, draft.Integrations); err != nil {
			return err
		}
		return a.Put(i, draft.Integrations, i.GetIntegrationId())
	})
	return i, err
}

// tlsConfig is what a request makes of a configuration; an empty one clears it.
func tlsConfig(old *apigatewayv2v1.TlsConfig, given *apigatewayv2v1.TlsConfigInput) *apigatewayv2v1.TlsConfig {
	switch {
	case given == nil:
		return old
	case given.GetServerNameToVerify() == "":
		return nil
	}
	return &apigatewayv2v1.TlsConfig{ServerNameToVerify: given.ServerNameToVerify}
}

// completeIntegration tidies an integration, fills in AWS's defaults (spec/control-plane.md 7.1) and finds its first fault.
func completeIntegration(i *apigatewayv2v1.Integration) error {
	if err := tidy(i); err != nil {
		return err
	}
	orDefault(&i.ConnectionType, "INTERNET")
	orDefault(&i.PassthroughBehavior, "WHEN_NO_MATCH")
	orDefault(&i.PayloadFormatVersion, "1.0")
	orDefault(&i.TimeoutInMillis, maxTimeout)
	i.IntegrationResponseSelectionExpression = ptr(responseSelection(i.GetIntegrationType()))
	if i.GetIntegrationType() == "AWS_PROXY" || i.GetIntegrationType() == "AWS" && lambdaTarget.MatchString(i.GetIntegrationUri()) {
		orDefault(&i.IntegrationMethod, "POST")
	}
	if err := websocketOnly(map[string]bool{"integrationSubtype": i.IntegrationSubtype != nil, "responseParameters of an integration": i.ResponseParameters != nil,
		"payloadFormatVersion " + i.GetPayloadFormatVersion(): i.GetPayloadFormatVersion() != "1.0"}); err != nil {
		return err
	}
	if err := checkTarget(i); err != nil {
		return err
	}
	if t := i.GetTimeoutInMillis(); t < 50 || t > maxTimeout {
		return fault.BadRequest("Timeout should be between 50 ms and 29000 ms")
	}
	if err := checkTemplates(i.RequestTemplates); err != nil {
		return err
	}
	if err := checkSelection("templateSelectionExpression", i.GetTemplateSelectionExpression(), expression.CompileSelection); err != nil {
		return err
	}
	return checkMapping(i.RequestParameters, requestDestination, requestSource)
}

// responseSelection is fixed by the type: a Lambda function's failure is in its answer, everything else has a status.
func responseSelection(kind string) string {
	if kind == "AWS" {
		return "${integration.response.body.errorMessage}"
	}
	return "${integration.response.statuscode}"
}

// checkTarget holds the rules between type, verb, URI and connection; texts are those of REST APIs.
func checkTarget(i *apigatewayv2v1.Integration) error {
	kind, uri := i.GetIntegrationType(), i.GetIntegrationUri()
	if (i.GetConnectionType() == "VPC_LINK") != (i.ConnectionId != nil) {
		return fault.BadRequest("Invalid connectionId specified: connections of type VPC_LINK need one, others have none")
	}
	if kind == "MOCK" {
		return checkMock(i)
	}
	if i.IntegrationMethod == nil {
		return fault.BadRequest("Enumeration value for HttpMethod must be non-empty")
	}
	if !verbs.MatchString(i.GetIntegrationMethod()) {
		return fault.BadRequest("Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY")
	}
	switch {
	case strings.HasPrefix(kind, "HTTP"):
		return checkHTTPURI(uri)
	case !strings.HasPrefix(uri, "arn:"):
		return fault.BadRequest("Invalid ARN specified in the request")
	case !awsTarget.MatchString(uri):
		return fault.BadRequest("AWS ARN for integration must contain path or action")
	case kind == "AWS_PROXY" && !lambdaTarget.MatchString(uri):
		return fault.BadRequest("Integrations of type 'AWS_PROXY' currently only supports Lambda function invocations.")
	}
	return nil
}

// checkMock refuses a backend beside a type that has none.
func checkMock(i *apigatewayv2v1.Integration) error {
	if i.IntegrationUri != nil || i.ConnectionId != nil || i.CredentialsArn != nil {
		return fault.BadRequest("Integrations of type 'MOCK' have no integrationUri, connectionId and credentialsArn")
	}
	return nil
}

func checkHTTPURI(uri string) error {
	u, err := url.Parse(uriVariables.ReplaceAllString(uri, "x"))
	if err == nil && strings.HasPrefix(uri, "${stageVariables.") && u.Scheme == "" {
		return nil
	}
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return fault.BadRequest("Invalid HTTP endpoint specified for URI")
	}
	return nil
}

// GetIntegration answers one integration.
func (s *Service) GetIntegration(ctx context.Context, req *apigatewayv2v1.GetIntegrationRequest) (*apigatewayv2v1.Integration, error) {
	var out *apigatewayv2v1.Integration
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out, err = integrationOf(a, req.GetIntegrationId())
		return err
	})
	return out, err
}

// GetIntegrations pages through the integrations of an API.
func (s *Service) GetIntegrations(ctx context.Context, req *apigatewayv2v1.GetIntegrationsRequest) (*apigatewayv2v1.GetIntegrationsResponse, error) {
	out := &apigatewayv2v1.GetIntegrationsResponse{Items: &apigatewayv2v1.IntegrationList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Prefix(draft.Integrations), req.NextToken, req.MaxResults, freshIntegration)
		return err
	})
	return out, err
}

// UpdateIntegration changes the members that the request states; request parameters are merged, templates are replaced
// whole, since an empty template is one too.
func (s *Service) UpdateIntegration(ctx context.Context, req *apigatewayv2v1.UpdateIntegrationRequest) (*apigatewayv2v1.Integration, error) {
	var i *apigatewayv2v1.Integration
	err := s.editAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if i, err = integrationOf(a, req.GetIntegrationId()); err != nil {
			return err
		}
		parameters := i.RequestParameters
		req.CopyTo(i)
		i.RequestParameters = merged(parameters, req.RequestParameters)
		i.TlsConfig = tlsConfig(i.TlsConfig, req.TlsConfig)
		if req.GetConnectionType() == "INTERNET" && req.ConnectionId == nil {
			i.ConnectionId = nil // the link goes with the type that needed it
		}
		if err := completeIntegration(i); err != nil {
			return err
		}
		return a.Put(i, draft.Integrations, i.GetIntegrationId())
	})
	return i, err
}

// DeleteIntegration removes an integration, that no route names, with its responses.
func (s *Service) DeleteIntegration(ctx context.Context, req *apigatewayv2v1.DeleteIntegrationRequest) (*emptypb.Empty, error) {
	id := req.GetIntegrationId()
	return empty, s.editAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		if _, err := integrationOf(a, id); err != nil {
			return err
		}
		users, err := routeUsers(a, func(r *apigatewayv2v1.Route) bool { return snapshot.Target(r) == id })
		if err != nil {
			return err
		}
		if len(users) > 0 {
			return fault.Conflict("Cannot delete Integration because it is referenced by the following Routes with Ids: [%s]", strings.Join(users, ", "))
		}
		if err := a.RemoveBelow(draft.IntegrationResponses, id); err != nil {
			return err
		}
		return a.Remove(draft.Integrations, id)
	})
}

// routeUsers lists the ids of the routes that fit.
func routeUsers(a *draft.API, uses func(*apigatewayv2v1.Route) bool) ([]string, error) {
	routes, err := routesOf(a)
	var out []string
	for _, r := range routes {
		if uses(r) {
			out = append(out, r.GetRouteId())
		}
	}
	return out, err
}
