package snapshot

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func integration(kind string) *apigatewayv1.Integration {
	return &apigatewayv1.Integration{Type: &kind}
}

func text(key, value string) *apigatewayv1.StringMap {
	return &apigatewayv1.StringMap{Entries: map[string]string{key: value}}
}

func open(i *apigatewayv1.Integration) *apigatewayv1.Method {
	return &apigatewayv1.Method{AuthorizationType: proto.String("NONE"), MethodIntegration: i}
}

// content is a deployment with methods on /pets.
func content(methods map[string]*apigatewayv1.Method) *snapshotv1.Deployment {
	return &snapshotv1.Deployment{RestApi: &apigatewayv1.RestApi{}, Resources: []*apigatewayv1.Resource{
		{Path: proto.String("/pets"), ResourceMethods: &apigatewayv1.MethodMap{Entries: methods}},
	}}
}

func TestCheck_reportsEveryProblem(t *testing.T) {
	template := integration("HTTP")
	template.RequestTemplates = text("application/json", "{\n  \"a\": $input.json(1+1)\n}")
	body := integration("HTTP")
	body.RequestParameters = text("integration.request.header.a", "method.request.body.$[")
	private := content(map[string]*apigatewayv1.Method{"GET": open(integration("MOCK"))})
	private.RestApi.EndpointConfiguration = &apigatewayv1.EndpointConfiguration{Types: &apigatewayv1.StringList{Items: []string{"PRIVATE"}}}
	tests := []struct {
		name    string
		content *snapshotv1.Deployment
		want    string
	}{
		{"nothing", content(nil), "The REST API doesn't contain any methods"},
		{"private without a policy", private, "Private REST API doesn't have a resource policy attached to it"},
		{"all at once", content(map[string]*apigatewayv1.Method{"GET": open(nil), "POST": open(template), "PUT": open(body)}),
			"No integration defined for method\nGET /pets: No integration defined for method\n" +
				"POST /pets: requestTemplates for application/json at 2:21: unexpected character '+'\n" +
				"PUT /pets: requestParameters integration.request.header.a: invalid mapping expression specified: method.request.body.$[: invalid path at 1: expected ?, ', 0-9 or * after '['"},
		{"one of ours", content(map[string]*apigatewayv1.Method{"PUT": open(body)}),
			"PUT /pets: requestParameters integration.request.header.a: invalid mapping expression specified: method.request.body.$[: invalid path at 1: expected ?, ', 0-9 or * after '['"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Message(Check(tt.content)); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
	if got := Check(content(map[string]*apigatewayv1.Method{"GET": open(integration("MOCK"))})); len(got) != 0 {
		t.Errorf("a sound content has problems: %v", got)
	}
}

func TestPlanned_namesMembersOnce(t *testing.T) {
	cognito := open(integration("AWS"))
	cognito.AuthorizationType = proto.String("COGNITO_USER_POOLS")
	d := content(map[string]*apigatewayv1.Method{"GET": cognito, "PUT": cognito})
	d.RestApi.Policy = proto.String("{}")
	got := Planned(d, &apigatewayv1.Stage{TracingEnabled: proto.Bool(true)})
	want := []string{"RestApi.policy is planned", "Method.authorizationType COGNITO_USER_POOLS (GET /pets and 1 more) is planned", "Integration.type AWS of services other than Lambda (GET /pets and 1 more) is planned", "Stage.tracingEnabled is planned"}
	if len(got) != len(want) {
		t.Fatalf("got %d lines:\n%s", len(got), strings.Join(got, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("line %d: %s, want %s…", i, got[i], want[i])
		}
	}
	if lines := Planned(content(map[string]*apigatewayv1.Method{"GET": open(integration("MOCK"))}), &apigatewayv1.Stage{}); len(lines) != 0 {
		t.Errorf("nothing planned is used, yet: %v", lines)
	}
}
