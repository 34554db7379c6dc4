package plan

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/snapshot"
	"github.com/limen-gateway/limen/core/throttle"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/pipeline"
)

// stageName is the name of a stage of either family.
func stageName(m *snapshotv1.Stage) string {
	if s := m.GetApiStage(); s != nil {
		return s.GetStageName()
	}
	return m.GetStage().GetStageName()
}

// socketScope is scopeOf for a WebSocket API.
func socketScope(m *snapshotv1.Stage, c *content) *exchange.Scope {
	s := c.scope
	s.Account, s.Region, s.API = m.GetAccount(), m.GetRegion(), m.GetApiId()
	s.Stage, s.DeploymentID, s.Hash = m.GetApiStage().GetStageName(), m.GetApiStage().GetDeploymentId(), m.GetDeploymentHash()
	s.StageVariables = m.GetApiStage().GetStageVariables().GetEntries()
	s.Throttles = compileRouteThrottles(m.GetApiStage(), c.methods)
	return &s
}

// compileSocket makes the immutable form of a WebSocket API.
func compileSocket(d *snapshotv1.Deployment, services *pipeline.Services) (*content, error) {
	if d.GetApi().GetProtocolType() != "WEBSOCKET" {
		return nil, fmt.Errorf("APIs with the protocol %s are not served yet", d.GetApi().GetProtocolType())
	}
	routes := &pipeline.Routes{Expression: d.GetApi().GetRouteSelectionExpression(), ByKey: map[string]*exchange.Method{}}
	var err error
	if routes.Selection, err = expression.CompileSelection(routes.Expression); err != nil {
		return nil, err
	}
	api := routesOf{
		integrations: map[string]*snapshotv1.Integration{}, authorizers: map[string]*exchange.Authorizer{}, validation: snapshot.NewValidation(d), services: services,
		keyFromAuthorizer: d.GetApi().GetApiKeySelectionExpression() == keyFromAuthorizer,
	}
	for _, i := range d.GetIntegrations() {
		api.integrations[i.GetIntegration().GetIntegrationId()] = i
	}
	for _, a := range d.GetApiAuthorizers() {
		if api.authorizers[a.GetAuthorizerId()], err = compileSocketAuthorizer(a); err != nil {
			return nil, fmt.Errorf("authorizer %s: %w", a.GetName(), err)
		}
	}
	out := &content{disabled: d.GetApi().GetDisableExecuteApiEndpoint(), routes: routes}
	for i, r := range d.GetRoutes() {
		m, err := api.compile(i, r)
		if err != nil {
			return nil, fmt.Errorf("route %s: %w", r.GetRoute().GetRouteKey(), err)
		}
		routes.ByKey[r.GetRoute().GetRouteKey()] = m
		out.methods = append(out.methods, m)
	}
	return out, nil
}

// keyFromAuthorizer is the apiKeySelectionExpression that is not the default (spec/websocket.md 12).
const keyFromAuthorizer = "$context.authorizer.usageIdentifierKey"

// routesOf is what the routes of an API share.
type routesOf struct {
	integrations      map[string]*snapshotv1.Integration
	authorizers       map[string]*exchange.Authorizer
	validation        *snapshot.Validation
	services          *pipeline.Services
	keyFromAuthorizer bool
}

// compileRouteThrottles are the stage's limits of its routes, in their order; nil when it has none. What a route's own
// settings do not say, the stage's default says (spec/websocket.md 20).
func compileRouteThrottles(s *apigatewayv2v1.Stage, routes []*exchange.Method) []throttle.Limit {
	out, limited := make([]throttle.Limit, len(routes)), false
	for i, r := range routes {
		var rate *float64
		var burst *int32
		for _, settings := range []*apigatewayv2v1.RouteSettings{s.GetRouteSettings().GetEntries()[r.Name], s.GetDefaultRouteSettings()} {
			if settings != nil {
				rate, burst = cmp.Or(rate, settings.ThrottlingRateLimit), cmp.Or(burst, settings.ThrottlingBurstLimit)
			}
		}
		out[i] = throttle.Of(rate, burst)
		limited = limited || !out[i].Unlimited()
	}
	if !limited {
		return nil
	}
	return out
}

// compileSocketAuthorizer: authz knows one form of a Lambda authorizer, that of REST APIs. Results are never kept, and every
// identity source must be there (spec/websocket.md 11.3).
func compileSocketAuthorizer(a *apigatewayv2v1.Authorizer) (*exchange.Authorizer, error) {
	if a.GetAuthorizerType() != "REQUEST" {
		return nil, fmt.Errorf("its type is %s, and WebSocket APIs have REQUEST only", a.GetAuthorizerType())
	}
	definition := &apigatewayv1.Authorizer{
		Id: proto.String(a.GetAuthorizerId()), Name: proto.String(a.GetName()), Type: proto.String("REQUEST"),
		AuthorizerUri: proto.String(a.GetAuthorizerUri()), AuthorizerResultTtlInSeconds: proto.Int32(0),
	}
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(definition)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(text)
	out := &exchange.Authorizer{ID: a.GetAuthorizerId(), Definition: definition, Hash: hash[:], URI: mapping.ParseURI(a.GetAuthorizerUri()), Keeps: true}
	for _, text := range a.GetIdentitySource().GetItems() {
		source, err := parseSocketSource(text)
		if err != nil {
			return nil, fmt.Errorf("identitySource: %w", err)
		}
		out.Identity, out.Expressions = append(out.Identity, source), append(out.Expressions, text)
	}
	return out, nil
}

// parseSocketSource reads route.request.… as the method.request.… of REST APIs, which means the same.
func parseSocketSource(text string) (expression.Source, error) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(text, "$"), "route.request.")
	if ok {
		return expression.Parse(expression.Request, "method.request."+rest)
	}
	return expression.Parse(expression.Request, strings.TrimPrefix(text, "$"))
}

func unservedOfRoute(r *apigatewayv2v1.Route, in *apigatewayv2v1.Integration, authorized, metered bool) string {
	kind := exchange.Type(in.GetIntegrationType())
	switch {
	case r.GetRouteKey() == pipeline.ConnectRoute && !authorized:
		return "an authorizer (authorizationType " + r.GetAuthorizationType() + ")"
	case r.GetRouteKey() == pipeline.ConnectRoute && r.GetApiKeyRequired() && !metered:
		return "an API key"
	case in == nil:
		return ""
	case kind != exchange.AWSProxy && kind != exchange.Mock:
		return "an integration of type " + in.GetIntegrationType()
	case in.GetConnectionType() == "VPC_LINK":
		return "a VPC link"
	}
	return ""
}

func (a *routesOf) compile(index int, r *snapshotv1.Route) (*exchange.Method, error) {
	route := r.GetRoute()
	in, authorizer, metered := a.integrations[snapshot.Target(route)], a.authorizers[route.GetAuthorizerId()], a.services.Meter != nil
	out := &exchange.Method{ResourceID: route.GetRouteId(), ResourcePath: route.GetRouteKey(), Name: route.GetRouteKey(), OperationName: route.GetOperationName()}
	compiled := pipeline.Route{
		Method: pipeline.Method{
			Name: out.Name, Authorizer: authorizer, Signed: route.GetAuthorizationType() == iam, KeyRequired: route.GetApiKeyRequired(), KeyFromAuthorizer: a.keyFromAuthorizer, Metered: metered,
			Unserved: unservedOfRoute(route, in.GetIntegration(), authorizes(route.GetAuthorizationType(), authorizer, a.services), metered),
		},
		Key: route.GetRouteKey(), Index: index, NoTarget: in == nil, TwoWay: isTwoWay(r),
	}
	if compiled.Unserved == "" {
		if err := compileRouteParts(&compiled, r, in); err != nil {
			return nil, err
		}
		if err := compileRouteModels(&compiled, route, a.validation); err != nil {
			return nil, err
		}
	}
	out.Integration = compiled.Integration
	out.Phases = pipeline.Socket(compiled, a.services)
	return out, nil
}

// isTwoWay: both the expression and the response must be there (spec/websocket.md 17).
func isTwoWay(r *snapshotv1.Route) bool {
	return r.GetRoute().GetRouteResponseSelectionExpression() == expression.DefaultKey &&
		slices.ContainsFunc(r.GetResponses(), func(p *apigatewayv2v1.RouteResponse) bool { return p.GetRouteResponseKey() == expression.DefaultKey })
}

func compileRouteParts(out *pipeline.Route, r *snapshotv1.Route, in *snapshotv1.Integration) error {
	constraints := r.GetRoute().GetRequestParameters().GetEntries()
	for _, name := range slices.Sorted(maps.Keys(constraints)) {
		if !constraints[name].GetRequired() {
			continue
		}
		source, err := parseSocketSource(name)
		if err != nil {
			return err
		}
		out.Required = append(out.Required, pipeline.Required{Name: name[strings.LastIndexByte(name, '.')+1:], Source: source})
	}
	if in == nil {
		return nil
	}
	m := in.GetIntegration()
	out.Integration = &exchange.Integration{
		Type: exchange.Type(m.GetIntegrationType()), HTTPMethod: m.GetIntegrationMethod(), URI: mapping.ParseURI(m.GetIntegrationUri()),
		Passthrough: cmp.Or(m.GetPassthroughBehavior(), mapping.WhenNoMatch), Timeout: defaultTimeout,
	}
	if ms := m.GetTimeoutInMillis(); ms > 0 {
		out.Integration.Timeout = time.Duration(ms) * time.Millisecond
	}
	if out.Integration.Type != exchange.Mock {
		return nil
	}
	var err error
	if out.Request, err = compileSocketTemplates(expression.CompileSelection, m.GetTemplateSelectionExpression(), m.GetRequestTemplates().GetEntries()); err != nil {
		return fmt.Errorf("integration request: %w", err)
	}
	out.Responses, err = compileSocketResponses(in.GetResponses())
	return err
}

func compileRouteModels(out *pipeline.Route, r *apigatewayv2v1.Route, validation *snapshot.Validation) error {
	if r.GetModelSelectionExpression() == "" {
		return nil
	}
	var err error
	if out.Model, err = expression.CompileSelection(r.GetModelSelectionExpression()); err != nil {
		return err
	}
	models, err := compileModels(r.GetRequestModels().GetEntries(), validation)
	if err != nil {
		return err
	}
	out.Models = map[string]*exchange.RequestModel{}
	for i := range models {
		out.Models[models[i].ContentType] = &models[i] // a key, where REST APIs have a content type
	}
	return nil
}

func compileSocketTemplates(compile func(string) (expression.Selection, error), selection string, byKey map[string]string) (pipeline.SocketTemplates, error) {
	out := pipeline.SocketTemplates{ByKey: map[string]*mapping.Template{}}
	var err error
	if out.Selection, err = compile(selection); err != nil {
		return out, err
	}
	for key, text := range byKey {
		if out.ByKey[key], err = mapping.Compile(key, text); err != nil {
			return out, fmt.Errorf("template for %s: %w", key, err)
		}
	}
	return out, nil
}

// compileSocketResponses orders them by key, $default last (spec/websocket.md 16).
func compileSocketResponses(list []*apigatewayv2v1.IntegrationResponse) ([]pipeline.SocketResponse, error) {
	var out []pipeline.SocketResponse
	for _, r := range list {
		key := r.GetIntegrationResponseKey()
		compiled := pipeline.SocketResponse{Key: key}
		var err error
		if compiled.Templates, err = compileSocketTemplates(expression.CompileResponseSelection, r.GetTemplateSelectionExpression(), r.GetResponseTemplates().GetEntries()); err != nil {
			return nil, fmt.Errorf("integration response %s: %w", key, err)
		}
		if key != expression.DefaultKey {
			text := strings.TrimSuffix(strings.TrimPrefix(key, "/"), "/")
			if compiled.Pattern, err = regexp.Compile(`^(?:` + text + `)$`); err != nil {
				return nil, fmt.Errorf("integration response %s: %w", key, err)
			}
		}
		out = append(out, compiled)
	}
	slices.SortFunc(out, func(a, b pipeline.SocketResponse) int {
		if (a.Pattern == nil) != (b.Pattern == nil) {
			return cmp.Compare(boolInt(a.Pattern == nil), boolInt(b.Pattern == nil))
		}
		return strings.Compare(a.Key, b.Key)
	})
	return out, nil
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
