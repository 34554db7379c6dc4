package snapshot

import (
	"fmt"
	"sort"

	"github.com/limen-gateway/limen/core/arn"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// planned classes a member that is accepted and stored but not enforced yet, and says what happens meanwhile. A row leaves
// the table with the change that builds it.
type planned[N any] struct {
	member string
	uses   func(N) bool
	// meanwhile is what calls get until then.
	meanwhile string
}

var plannedOfAPI = []planned[*apigatewayv1.RestApi]{
	{"RestApi.minimumCompressionSize", func(a *apigatewayv1.RestApi) bool { return a.MinimumCompressionSize != nil }, "responses are not compressed"},
	{"RestApi.policy", func(a *apigatewayv1.RestApi) bool { return a.GetPolicy() != "" }, "all calls are refused"},
	{"RestApi.endpointConfiguration.vpcEndpointIds", func(a *apigatewayv1.RestApi) bool {
		return len(a.GetEndpointConfiguration().GetVpcEndpointIds().GetItems()) > 0
	}, "the API is reached from every network"},
	{"RestApi.endpointConfiguration.types PRIVATE", isPrivate, "all calls are refused"},
	{"RestApi.endpointAccessMode", func(a *apigatewayv1.RestApi) bool { return a.GetEndpointAccessMode() == "STRICT" }, "BASIC is used"},
	{"RestApi.securityPolicy", func(a *apigatewayv1.RestApi) bool {
		p := a.GetSecurityPolicy()
		return p != "" && p != "TLS_1_0" && p != "TLS_1_2"
	}, "the listener's TLS settings are used"},
}

var plannedOfMethod = []planned[*apigatewayv1.Method]{
	{"Method.authorizationType COGNITO_USER_POOLS", func(m *apigatewayv1.Method) bool { return m.GetAuthorizationType() == "COGNITO_USER_POOLS" }, "all calls are refused"},
	{"Method.authorizationScopes", func(m *apigatewayv1.Method) bool { return len(m.AuthorizationScopes.GetItems()) > 0 }, "scopes are not checked"},
	{"Integration.type AWS of services other than Lambda", ofIntegration(func(i *apigatewayv1.Integration) bool { return i.GetType() == "AWS" && !arn.IsLambda(i.GetUri()) }), "calls fail with 500"},
	{"Integration.connectionType VPC_LINK", ofIntegration(func(i *apigatewayv1.Integration) bool { return i.GetConnectionType() == "VPC_LINK" }), "calls fail with 500"},
	{"Integration.credentials", ofIntegration(func(i *apigatewayv1.Integration) bool { return i.GetCredentials() != "" }), "no role is assumed"},
	{"Integration.responseTransferMode STREAM", ofIntegration(func(i *apigatewayv1.Integration) bool { return i.GetResponseTransferMode() == "STREAM" }), "responses are buffered"},
	{"Integration.tlsConfig", ofIntegration(func(i *apigatewayv1.Integration) bool { return i.GetTlsConfig().GetInsecureSkipVerification() }), "certificates are verified"},
}

var plannedOfAuthorizer = []planned[*apigatewayv1.Authorizer]{
	{"Authorizer.authorizerCredentials", func(a *apigatewayv1.Authorizer) bool { return a.GetAuthorizerCredentials() != "" }, "no role is assumed"},
}

func ofIntegration(uses func(*apigatewayv1.Integration) bool) func(*apigatewayv1.Method) bool {
	return func(m *apigatewayv1.Method) bool { return m.MethodIntegration != nil && uses(m.MethodIntegration) }
}

var plannedOfStage = []planned[*apigatewayv1.Stage]{
	{"Stage.canarySettings", func(s *apigatewayv1.Stage) bool { return s.CanarySettings != nil }, "all traffic goes to the stage's deployment"},
	{"Stage.methodSettings loggingLevel, dataTraceEnabled and metricsEnabled", func(s *apigatewayv1.Stage) bool {
		for _, m := range s.MethodSettings.GetEntries() {
			if m.GetMetricsEnabled() || m.GetDataTraceEnabled() || m.LoggingLevel != nil && m.GetLoggingLevel() != "OFF" {
				return true
			}
		}
		return false
	}, "logging and metrics settings have no effect"},
	{"Stage.accessLogSettings", func(s *apigatewayv1.Stage) bool { return s.AccessLogSettings != nil }, "access logs keep limen's own form"},
	{"Stage.tracingEnabled", func(s *apigatewayv1.Stage) bool { return s.GetTracingEnabled() }, "only sampled callers are traced"},
	{"Stage.clientCertificateId", func(s *apigatewayv1.Stage) bool { return s.GetClientCertificateId() != "" }, "no certificate is presented to backends"},
}

// Planned lists the members a deployment and its stage use that are not enforced yet: one line for each member, with the
// first method that uses it and how many more do. stage may be nil.
func Planned(d *snapshotv1.Deployment, stage *apigatewayv1.Stage) []string {
	var out []string
	for _, p := range plannedOfAPI {
		if p.uses(d.RestApi) {
			out = append(out, fmt.Sprintf("%s is planned: %s", p.member, p.meanwhile))
		}
	}
	out = append(out, plannedMethods(d)...)
	for _, p := range plannedOfAuthorizer {
		var places []string
		for _, a := range d.Authorizers {
			if p.uses(a) {
				places = append(places, a.GetName())
			}
		}
		if len(places) > 0 {
			out = append(out, plannedIn(p.member, places, p.meanwhile))
		}
	}
	if stage == nil {
		return out
	}
	for _, p := range plannedOfStage {
		if p.uses(stage) {
			out = append(out, fmt.Sprintf("%s is planned: %s", p.member, p.meanwhile))
		}
	}
	return out
}

func plannedMethods(d *snapshotv1.Deployment) []string {
	places := map[int][]string{}
	each(d, func(where string, m *apigatewayv1.Method) {
		for i, p := range plannedOfMethod {
			if p.uses(m) {
				places[i] = append(places[i], where)
			}
		}
	})
	var rows []int
	for i := range places {
		rows = append(rows, i)
	}
	sort.Ints(rows)
	var out []string
	for _, i := range rows {
		out = append(out, plannedIn(plannedOfMethod[i].member, places[i], plannedOfMethod[i].meanwhile))
	}
	return out
}

// plannedIn is the line of a planned member with the places that use it.
func plannedIn(member string, places []string, meanwhile string) string {
	where := places[0]
	if n := len(places) - 1; n > 0 {
		where = fmt.Sprintf("%s and %d more", where, n)
	}
	return fmt.Sprintf("%s (%s) is planned: %s", member, where, meanwhile)
}
