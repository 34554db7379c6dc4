package plan

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/routing"
	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/pipeline"
)

// defaultTimeout of an integration (spec/rest.md 4.1).
const defaultTimeout = 29 * time.Second

// scopeOf joins the facts of a content with the live settings of a stage.
func scopeOf(m *snapshotv1.Stage, c *content) *exchange.Scope {
	if m.GetApiStage() != nil {
		return socketScope(m, c)
	}
	s := c.scope
	s.Account, s.Region, s.API = m.GetAccount(), m.GetRegion(), m.GetApiId()
	s.Stage, s.DeploymentID, s.Hash = m.GetStage().GetStageName(), m.GetStage().GetDeploymentId(), m.GetDeploymentHash()
	s.StageVariables = m.GetStage().GetVariables().GetEntries()
	s.AuthorizerEpoch = m.GetAuthorizerEpoch()
	s.Caching = compileCaching(m, c.methods)
	s.Throttles = compileThrottles(m, c.methods)
	return &s
}

// compileDeployment makes the immutable form of a deployment's content.
func compileDeployment(d *snapshotv1.Deployment, services *pipeline.Services) (*content, error) {
	if d.GetApi() != nil {
		return compileSocket(d, services)
	}
	c := &content{disabled: d.GetRestApi().GetDisableExecuteApiEndpoint()}
	c.scope.BinaryMediaTypes = d.GetRestApi().GetBinaryMediaTypes().GetItems()
	var err error
	if c.scope.GatewayResponses, err = compileGatewayResponses(d.GetGatewayResponses()); err != nil {
		return nil, err
	}
	authorizers, err := compileAuthorizers(d.GetAuthorizers())
	if err != nil {
		return nil, err
	}
	unserved, validation := unservedOfAPI(d.GetRestApi()), snapshot.NewValidation(d)
	var routes []routing.Route
	for _, r := range d.GetResources() {
		for _, verb := range slices.Sorted(maps.Keys(r.GetResourceMethods().GetEntries())) {
			m, err := compileMethod(r, verb, r.GetResourceMethods().GetEntries()[verb], unserved, d.GetRestApi().GetApiKeySource() == "AUTHORIZER", authorizers, validation, services)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", verb, r.GetPath(), err)
			}
			routes = append(routes, routing.Route{Path: r.GetPath(), Method: verb})
			c.methods = append(c.methods, m)
		}
	}
	if c.tree, err = routing.New(routes); err != nil {
		return nil, err
	}
	return c, nil
}

func compileGatewayResponses(list []*apigatewayv1.GatewayResponse) (*gatewayresponse.Set, error) {
	var out []gatewayresponse.Response
	for _, r := range list {
		status := 0
		if text := r.GetStatusCode(); text != "" {
			var err error
			if status, err = strconv.Atoi(text); err != nil {
				return nil, fmt.Errorf("gateway response %s: status code %q", r.GetResponseType(), text)
			}
		}
		out = append(out, gatewayresponse.Response{
			Type: gatewayresponse.Type(r.GetResponseType()), StatusCode: status,
			Parameters: r.GetResponseParameters().GetEntries(), Templates: r.GetResponseTemplates().GetEntries(),
		})
	}
	return gatewayresponse.Compile(out)
}

// unservedOfAPI and unservedOfMethod name what would leave calls open, or different from what was configured, if it were
// ignored; such methods refuse all calls (core/snapshot lists the same members as planned).
func unservedOfAPI(a *apigatewayv1.RestApi) string {
	switch {
	case a.GetPolicy() != "":
		return "a resource policy"
	case slices.Contains(a.GetEndpointConfiguration().GetTypes().GetItems(), "PRIVATE"):
		return "a private endpoint"
	}
	return ""
}

// authorizes reports whether the edge can authorize callers by a type: a Lambda authorizer and signatures need authz.
func authorizes(kind string, authorizer *exchange.Authorizer, services *pipeline.Services) bool {
	switch kind {
	case "NONE", "":
		return true
	case iam:
		return services.Authz != nil
	case "CUSTOM":
		return services.Authz != nil && authorizer != nil
	}
	return false
}

// iam is the authorization type of methods and routes whose callers sign.
const iam = "AWS_IAM"

func unservedOfMethod(m *apigatewayv1.Method, authorized, metered bool) string {
	in := m.GetMethodIntegration()
	switch {
	case !authorized:
		return "an authorizer (authorizationType " + m.GetAuthorizationType() + ")"
	case m.GetApiKeyRequired() && !metered:
		return "an API key"
	case in.GetType() == string(exchange.AWS) && !arn.IsLambda(in.GetUri()):
		return "an integration of type AWS with another service than Lambda"
	case in.GetConnectionType() == "VPC_LINK":
		return "a VPC link"
	}
	return ""
}

func compileMethod(r *apigatewayv1.Resource, verb string, m *apigatewayv1.Method, unserved string, keyFromAuthorizer bool, authorizers map[string]*exchange.Authorizer, validation *snapshot.Validation, services *pipeline.Services) (*exchange.Method, error) {
	if m.GetMethodIntegration() == nil {
		return nil, fmt.Errorf("the method has no integration")
	}
	authorizer := authorizers[m.GetAuthorizerId()]
	if unserved == "" {
		unserved = unservedOfMethod(m, authorizes(m.GetAuthorizationType(), authorizer, services), services.Meter != nil)
	}
	out := &exchange.Method{
		ResourceID: r.GetId(), ResourcePath: r.GetPath(), HTTPMethod: verb, OperationName: m.GetOperationName(),
		Name: verb + " " + r.GetPath(), Responses: map[string]*exchange.MethodResponse{},
	}
	for status, res := range m.GetMethodResponses().GetEntries() {
		declared := &exchange.MethodResponse{Headers: map[string]bool{}}
		for key := range res.GetResponseParameters().GetEntries() {
			declared.Headers[strings.TrimPrefix(key, "method.response.header.")] = true
		}
		out.Responses[status] = declared
	}
	validator, err := compileValidator(m, validation)
	if err != nil {
		return nil, err
	}
	if unserved == "" {
		if out.Integration, err = compileIntegration(m.GetMethodIntegration(), out.Responses); err != nil {
			return nil, err
		}
		out.Integration.CacheKey = compileCacheKey(m.GetMethodIntegration(), r.GetId(), out.Integration.Parameters)
	}
	out.Phases = pipeline.REST(pipeline.Method{
		Name: out.Name, Integration: out.Integration, Authorizer: authorizer, Signed: m.GetAuthorizationType() == iam, Validator: validator, Unserved: unserved,
		KeyRequired: m.GetApiKeyRequired(), KeyFromAuthorizer: keyFromAuthorizer, Metered: services.Meter != nil,
	}, services)
	return out, nil
}

func compileIntegration(in *apigatewayv1.Integration, declared map[string]*exchange.MethodResponse) (*exchange.Integration, error) {
	out := &exchange.Integration{
		Type: exchange.Type(in.GetType()), HTTPMethod: in.GetHttpMethod(), URI: mapping.ParseURI(in.GetUri()),
		Passthrough: in.GetPassthroughBehavior(), ContentHandling: in.GetContentHandling(), Timeout: defaultTimeout,
	}
	switch out.Type {
	case exchange.HTTP, exchange.HTTPProxy, exchange.AWS, exchange.AWSProxy, exchange.Mock:
	default:
		return nil, fmt.Errorf("unknown integration type %q", in.GetType())
	}
	if out.HTTPMethod == "ANY" {
		out.HTTPMethod = ""
	}
	if out.Passthrough == "" {
		out.Passthrough = mapping.WhenNoMatch
	}
	if ms := in.GetTimeoutInMillis(); ms > 0 {
		out.Timeout = time.Duration(ms) * time.Millisecond
	}
	var err error
	if out.Parameters, err = compileParameters(in.GetRequestParameters().GetEntries()); err != nil {
		return nil, err
	}
	out.Forbidden = forbiddenHeader(out)
	out.ReadsBody = slices.ContainsFunc(out.Parameters, func(p exchange.Parameter) bool { return p.Source.ReadsInsideRequest() })
	if out.Type == exchange.HTTPProxy || out.Type == exchange.AWSProxy {
		return out, nil // templates and integration responses mean nothing to proxies (spec/rest.md 4.3)
	}
	if out.Templates, err = mapping.CompileTemplates(in.GetRequestTemplates().GetEntries()); err != nil {
		return nil, fmt.Errorf("integration request: %w", err)
	}
	out.Responses, err = compileResponses(in.GetIntegrationResponses().GetEntries(), declared)
	return out, err
}

var places = map[string]exchange.Place{"header": exchange.PlaceHeader, "querystring": exchange.PlaceQuery, "path": exchange.PlacePath}

func compileParameters(m map[string]string) ([]exchange.Parameter, error) {
	var out []exchange.Parameter
	for _, key := range slices.Sorted(maps.Keys(m)) {
		where, name, _ := strings.Cut(strings.TrimPrefix(key, "integration.request."), ".")
		place, ok := places[where]
		if !ok || name == "" {
			return nil, fmt.Errorf("integration request parameter %q is not a header, a query parameter or a path parameter", key)
		}
		source, err := expression.Parse(expression.Request, m[key])
		if err != nil {
			return nil, err
		}
		out = append(out, exchange.Parameter{Place: place, Name: name, Source: source})
	}
	return out, nil
}

// forbiddenHeader is a mapped header that makes every call fail (spec/rest.md 4.4, trap 38).
func forbiddenHeader(in *exchange.Integration) string {
	for _, p := range in.Parameters {
		if p.Place == exchange.PlaceHeader && exchange.ForbiddenHeader(in.Type, p.Name) {
			return p.Name
		}
	}
	return ""
}

func compileResponses(m map[string]*apigatewayv1.IntegrationResponse, declared map[string]*exchange.MethodResponse) ([]exchange.IntegrationResponse, error) {
	var out []exchange.IntegrationResponse
	for _, status := range slices.Sorted(maps.Keys(m)) {
		r, err := compileResponse(status, m[status], declared[status])
		if err != nil {
			return nil, fmt.Errorf("integration response %s: %w", status, err)
		}
		out = append(out, r)
	}
	return out, nil
}

func compileResponse(status string, r *apigatewayv1.IntegrationResponse, declared *exchange.MethodResponse) (exchange.IntegrationResponse, error) {
	out := exchange.IntegrationResponse{StatusCode: status, PatternText: r.GetSelectionPattern(), ContentHandling: r.GetContentHandling()}
	var err error
	if out.Status, err = strconv.Atoi(status); err != nil {
		return out, fmt.Errorf("the status code is not a number")
	}
	if out.PatternText != "" {
		// The pattern must match the whole subject; "." does not match a line end in either dialect.
		if out.Pattern, err = regexp.Compile(`^(?:` + out.PatternText + `)$`); err != nil {
			return out, fmt.Errorf("selection pattern: %w", err)
		}
	}
	params := r.GetResponseParameters().GetEntries()
	for _, key := range slices.Sorted(maps.Keys(params)) {
		name, ok := strings.CutPrefix(key, "method.response.header.")
		if !ok || declared == nil || !declared.Headers[name] {
			continue // only declared headers reach the client (spec/rest.md 4.9)
		}
		source, err := expression.Parse(expression.Response, params[key])
		if err != nil {
			return out, err
		}
		out.Parameters = append(out.Parameters, exchange.Parameter{Name: name, Source: source})
	}
	out.Templates, err = mapping.CompileTemplates(r.GetResponseTemplates().GetEntries())
	return out, err
}
