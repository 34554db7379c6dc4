package snapshot

import (
	"reflect"
	"testing"

	"google.golang.org/protobuf/proto"

	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func entries(kv ...string) *apigatewayv2v1.StringMap {
	m := &apigatewayv2v1.StringMap{Entries: map[string]string{}}
	for i := 0; i < len(kv); i += 2 {
		m.Entries[kv[i]] = kv[i+1]
	}
	return m
}

// webSocket is an API with one integration, i1, and the given routes.
func webSocket(i *apigatewayv2v1.Integration, routes ...*snapshotv1.Route) *snapshotv1.Deployment {
	i.IntegrationId = proto.String("i1")
	return &snapshotv1.Deployment{Api: &apigatewayv2v1.Api{}, Routes: routes,
		Integrations:   []*snapshotv1.Integration{{Integration: i, Responses: []*apigatewayv2v1.IntegrationResponse{{IntegrationResponseKey: proto.String("$default"), ResponseTemplates: entries("$default", "text")}}}},
		ApiModels:      []*apigatewayv2v1.Model{{Name: proto.String("M"), Schema: proto.String("{}")}, {Name: proto.String("Odd"), Schema: proto.String("{")}},
		ApiAuthorizers: []*apigatewayv2v1.Authorizer{{AuthorizerId: proto.String("z1")}},
	}
}

func route(key, target string) *apigatewayv2v1.Route {
	r := &apigatewayv2v1.Route{RouteKey: &key, AuthorizationType: proto.String("NONE")}
	if target != "" {
		r.Target = &target
	}
	return r
}

func TestCheckWebSocket(t *testing.T) {
	mock := func() *apigatewayv2v1.Integration { return &apigatewayv2v1.Integration{} }
	authorized := route("$connect", "")
	authorized.AuthorizerId = proto.String("z1")
	lost := route("$connect", "")
	lost.AuthorizerId = proto.String("gone")
	modelled := route("a", "")
	modelled.RequestModels = entries("x", "M", "y", "Gone")
	odd := route("a", "")
	odd.ModelSelectionExpression, odd.RequestModels = proto.String("$request.body.a"), entries("x", "M", "y", "Odd", "z", "Gone")
	_, unreadable := NewValidation(webSocket(mock())).Model("y", "Odd")
	for _, tt := range []struct {
		name string
		d    *snapshotv1.Deployment
		want []string
	}{
		{"no routes", webSocket(mock()), []string{noRoutes}},
		{"route without target", webSocket(mock(), &snapshotv1.Route{Route: authorized}), nil},
		{"target", webSocket(mock(), &snapshotv1.Route{Route: route("a", "integrations/i1")}), nil},
		{"unknown target", webSocket(mock(), &snapshotv1.Route{Route: route("a", "integrations/i2")}), []string{"a: its target integrations/i2 is no integration of the API"}},
		{"odd target", webSocket(mock(), &snapshotv1.Route{Route: route("a", "i1")}), []string{"a: its target i1 is no integration of the API"}},
		{"unknown authorizer", webSocket(mock(), &snapshotv1.Route{Route: lost}), []string{"$connect: gone is no authorizer of the API"}},
		{"unknown models", webSocket(mock(), &snapshotv1.Route{Route: modelled, Responses: []*apigatewayv2v1.RouteResponse{{RouteResponseKey: proto.String("$default"), ResponseModels: entries("z", "Lost")}}}),
			[]string{"a: requestModels y: Gone is no model of the API", "a: responseModels of $default z: Lost is no model of the API"}},
		{"model that is no schema", webSocket(mock(), &snapshotv1.Route{Route: odd}), []string{"a: requestModels z: Gone is no model of the API", "a: " + unreadable.Error()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, p := range Check(tt.d) {
				got = append(got, p.String())
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPlannedStageSettings(t *testing.T) {
	quiet := &apigatewayv2v1.RouteSettings{LoggingLevel: proto.String("OFF"), DataTraceEnabled: proto.Bool(false)}
	loud := &apigatewayv2v1.RouteSettings{LoggingLevel: proto.String("INFO")}
	limited := &apigatewayv2v1.RouteSettings{ThrottlingRateLimit: proto.Float64(1)}
	d := &snapshotv1.Deployment{Api: &apigatewayv2v1.Api{}}
	if got := PlannedV2(d, &apigatewayv2v1.Stage{DefaultRouteSettings: quiet, RouteSettings: &apigatewayv2v1.RouteSettingsMap{Entries: map[string]*apigatewayv2v1.RouteSettings{"a": limited}}}); got != nil {
		t.Errorf("defaults and limits are no warning: %q", got)
	}
	if got := PlannedV2(d, nil); got != nil {
		t.Errorf("without a stage: %q", got)
	}
	stage := &apigatewayv2v1.Stage{RouteSettings: &apigatewayv2v1.RouteSettingsMap{Entries: map[string]*apigatewayv2v1.RouteSettings{"a": quiet, "b": loud}}}
	if len(PlannedV2(d, stage)) != 1 {
		t.Error("a level of logs has no warning")
	}
	// The list shrinks as members are built; what is on it names itself once.
	seen := map[string]bool{}
	for _, line := range PlannedV2(d, stage) {
		if seen[line] {
			t.Errorf("twice: %s", line)
		}
		seen[line] = true
	}
}
