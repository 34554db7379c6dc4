package snapshot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// noRoutes is AWS's text. spec/websocket.md 23.
const noRoutes = "Unable to deploy API because no routes exist in this API"

// names are what routes of an API may refer to.
type names struct {
	integrations map[string]*snapshotv1.Integration
	authorizers  map[string]bool
	models       map[string]bool
	validation   *Validation
}

func namesOf(d *snapshotv1.Deployment) names {
	n := names{map[string]*snapshotv1.Integration{}, map[string]bool{}, map[string]bool{}, NewValidation(d)}
	for _, i := range d.Integrations {
		n.integrations[i.Integration.GetIntegrationId()] = i
	}
	for _, a := range d.ApiAuthorizers {
		n.authorizers[a.GetAuthorizerId()] = true
	}
	for _, m := range d.ApiModels {
		n.models[m.GetName()] = true
	}
	return n
}

// Target is the id of the integration that a route's target names; "" when it has no target, or one of another form.
func Target(r *apigatewayv2v1.Route) string {
	id, ok := strings.CutPrefix(r.GetTarget(), "integrations/")
	if !ok {
		return ""
	}
	return id
}

// checkAPI finds all problems of a WebSocket API, in the order of its route keys. A route without target is none: its
// messages fail (spec/websocket.md 7), and $connect needs no integration. Integrations that no route names are not served.
func checkAPI(d *snapshotv1.Deployment) []Problem {
	if len(d.Routes) == 0 {
		return []Problem{{Text: noRoutes}}
	}
	known := namesOf(d)
	var out []Problem
	for _, r := range d.Routes {
		out = append(out, checkRoute(r, known)...)
	}
	return out
}

func checkRoute(r *snapshotv1.Route, known names) []Problem {
	where := r.Route.GetRouteKey()
	var out []Problem
	if target := r.Route.GetTarget(); target != "" {
		if i := known.integrations[Target(r.Route)]; i != nil {
			out = checkIntegration(where, i)
		} else {
			out = append(out, Problem{where, fmt.Sprintf("its target %s is no integration of the API", target)})
		}
	}
	if id := r.Route.GetAuthorizerId(); id != "" && !known.authorizers[id] {
		out = append(out, Problem{where, fmt.Sprintf("%s is no authorizer of the API", id)})
	}
	out = append(out, checkModels(where, "requestModels", r.Route.RequestModels, known)...)
	out = append(out, checkSchemas(r.Route, known)...)
	for _, response := range r.Responses {
		out = append(out, checkModels(where, "responseModels of "+response.GetRouteResponseKey(), response.ResponseModels, known)...)
	}
	return out
}

func checkModels(where, member string, models *apigatewayv2v1.StringMap, known names) []Problem {
	var out []Problem
	for _, key := range slices.Sorted(maps.Keys(models.GetEntries())) {
		if name := models.Entries[key]; !known.models[name] {
			out = append(out, Problem{where, fmt.Sprintf("%s %s: %s is no model of the API", member, key, name)})
		}
	}
	return out
}

// checkSchemas compiles the models that messages are checked against: those of a route that selects among them.
func checkSchemas(r *apigatewayv2v1.Route, known names) []Problem {
	if r.GetModelSelectionExpression() == "" {
		return nil
	}
	var out []Problem
	for _, key := range slices.Sorted(maps.Keys(r.RequestModels.GetEntries())) {
		name := r.RequestModels.Entries[key]
		if !known.models[name] {
			continue // told by checkModels
		}
		if _, err := known.validation.Model(key, name); err != nil {
			out = append(out, Problem{r.GetRouteKey(), err.Error()})
		}
	}
	return out
}

func checkIntegration(where string, i *snapshotv1.Integration) []Problem {
	out := checkTemplates(where, "requestTemplates", shared(i.Integration.RequestTemplates))
	for _, r := range i.Responses {
		key := r.GetIntegrationResponseKey()
		out = append(out, checkTemplates(where, "responseTemplates of "+key, shared(r.ResponseTemplates))...)
	}
	return out
}

// shared is a map of the second model as one of the first: both families have one set of checks.
func shared(m *apigatewayv2v1.StringMap) *apigatewayv1.StringMap {
	return &apigatewayv1.StringMap{Entries: m.GetEntries()}
}

// plannedOfRoute looks at a route with the integration that is its target.
var plannedOfRoute = []planned[servedRoute]{
	{"Integration.integrationType AWS, HTTP and HTTP_PROXY", func(r servedRoute) bool {
		kind := r.integration.GetIntegrationType()
		return kind == "AWS" || kind == "HTTP" || kind == "HTTP_PROXY"
	}, "messages fail"},
	{"Integration.requestParameters", func(r servedRoute) bool { return len(r.integration.GetRequestParameters().GetEntries()) > 0 }, "they are not mapped"},
	{"Integration.connectionType VPC_LINK", func(r servedRoute) bool { return r.integration.GetConnectionType() == "VPC_LINK" }, "messages fail"},
	{"Integration.credentialsArn", func(r servedRoute) bool { return r.integration.GetCredentialsArn() != "" }, "no role is assumed"},
	{"Integration.tlsConfig", func(r servedRoute) bool { return r.integration.GetTlsConfig() != nil }, "the name in the URI is verified"},
	{"Integration.contentHandlingStrategy", func(r servedRoute) bool { return r.integration.GetContentHandlingStrategy() != "" }, "messages pass as they are"},
	{"IntegrationResponse.contentHandlingStrategy", func(r servedRoute) bool {
		return slices.ContainsFunc(r.answers, func(a *apigatewayv2v1.IntegrationResponse) bool { return a.GetContentHandlingStrategy() != "" })
	}, "answers pass as they are"},
	{"IntegrationResponse.responseParameters", func(r servedRoute) bool {
		return slices.ContainsFunc(r.answers, func(a *apigatewayv2v1.IntegrationResponse) bool {
			return len(a.GetResponseParameters().GetEntries()) > 0
		})
	}, "they are not mapped"},
	{"RouteResponse.responseParameters", func(r servedRoute) bool {
		return slices.ContainsFunc(r.responses, func(a *apigatewayv2v1.RouteResponse) bool { return len(a.GetResponseParameters().GetEntries()) > 0 })
	}, "they are not mapped"},
	{"Authorizer.authorizerCredentialsArn", func(r servedRoute) bool { return r.authorizer.GetAuthorizerCredentialsArn() != "" }, "no role is assumed"},
}

// servedRoute is a route with what it names; integration and authorizer are nil when it names none.
type servedRoute struct {
	route       *apigatewayv2v1.Route
	responses   []*apigatewayv2v1.RouteResponse
	integration *apigatewayv2v1.Integration
	answers     []*apigatewayv2v1.IntegrationResponse
	authorizer  *apigatewayv2v1.Authorizer
}

func servedRoutes(d *snapshotv1.Deployment) []servedRoute {
	known := namesOf(d)
	var out []servedRoute
	for _, r := range d.Routes {
		target := known.integrations[Target(r.Route)]
		served := servedRoute{route: r.Route, responses: r.Responses, integration: target.GetIntegration(), answers: target.GetResponses()}
		for _, a := range d.ApiAuthorizers {
			if a.GetAuthorizerId() == r.Route.GetAuthorizerId() {
				served.authorizer = a
			}
		}
		out = append(out, served)
	}
	return out
}

var plannedOfAPIStage = []planned[*apigatewayv2v1.Stage]{
	{"Stage.defaultRouteSettings loggingLevel, dataTraceEnabled and detailedMetricsEnabled", func(s *apigatewayv2v1.Stage) bool { return observes(s.DefaultRouteSettings) }, "logging and metrics settings have no effect"},
	{"Stage.routeSettings loggingLevel, dataTraceEnabled and detailedMetricsEnabled", func(s *apigatewayv2v1.Stage) bool {
		for _, r := range s.RouteSettings.GetEntries() {
			if observes(r) {
				return true
			}
		}
		return false
	}, "logging and metrics settings have no effect"},
	{"Stage.accessLogSettings", func(s *apigatewayv2v1.Stage) bool { return s.AccessLogSettings != nil }, "access logs keep limen's own form"},
	{"Stage.clientCertificateId", func(s *apigatewayv2v1.Stage) bool { return s.GetClientCertificateId() != "" }, "no certificate is presented to backends"},
}

// observes tells whether settings ask for logs or metrics.
func observes(s *apigatewayv2v1.RouteSettings) bool {
	if s == nil {
		return false
	}
	return s.LoggingLevel != nil && s.GetLoggingLevel() != "OFF" || s.GetDataTraceEnabled() || s.GetDetailedMetricsEnabled()
}

// PlannedV2 is Planned for the deployment of a WebSocket API.
func PlannedV2(d *snapshotv1.Deployment, stage *apigatewayv2v1.Stage) []string {
	routes := servedRoutes(d)
	var out []string
	for _, p := range plannedOfRoute {
		var places []string
		for _, r := range routes {
			if p.uses(r) {
				places = append(places, r.route.GetRouteKey())
			}
		}
		if len(places) > 0 {
			out = append(out, plannedIn(p.member, places, p.meanwhile))
		}
	}
	if stage == nil {
		return out
	}
	for _, p := range plannedOfAPIStage {
		if p.uses(stage) {
			out = append(out, fmt.Sprintf("%s is planned: %s", p.member, p.meanwhile))
		}
	}
	return out
}
