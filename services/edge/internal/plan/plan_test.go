package plan

import (
	"log/slog"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/integration"
	"github.com/limen-gateway/limen/services/edge/internal/pipeline"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func strings1(k, v string) *apigatewayv1.StringMap {
	return &apigatewayv1.StringMap{Entries: map[string]string{k: v}}
}

// content is a deployment with GET on one path and a mock integration that change may break.
func deployed(path string, change func(*snapshotv1.Deployment, *apigatewayv1.Method, *apigatewayv1.IntegrationResponse)) *snapshotv1.Deployment {
	r := &apigatewayv1.IntegrationResponse{StatusCode: proto.String("200")}
	m := &apigatewayv1.Method{
		AuthorizationType: proto.String("NONE"),
		MethodIntegration: &apigatewayv1.Integration{Type: proto.String("MOCK"), IntegrationResponses: &apigatewayv1.IntegrationResponseMap{Entries: map[string]*apigatewayv1.IntegrationResponse{"200": r}}},
		MethodResponses: &apigatewayv1.MethodResponseMap{Entries: map[string]*apigatewayv1.MethodResponse{"200": {
			ResponseParameters: &apigatewayv1.BoolMap{Entries: map[string]bool{"method.response.header.A": true}}}}},
	}
	d := &snapshotv1.Deployment{RestApi: &apigatewayv1.RestApi{}, Resources: []*apigatewayv1.Resource{{Id: proto.String("r"), Path: proto.String(path),
		ResourceMethods: &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{"GET": m}}}}}
	change(d, m, r)
	return d
}

type (
	dep = *snapshotv1.Deployment
	met = *apigatewayv1.Method
	res = *apigatewayv1.IntegrationResponse
)

func TestCompile_saysWhatIsWrong(t *testing.T) {
	tests := []struct {
		name, path string
		change     func(dep, met, res)
		want       string
	}{
		{"nothing", "/", func(dep, met, res) {}, ""},
		{"partial parameter", "/a{b}", func(dep, met, res) {}, `route GET /a{b}: invalid path part "a{b}"`},
		{"no integration", "/", func(_ dep, m met, _ res) { m.MethodIntegration = nil }, "GET /: the method has no integration"},
		{"type", "/", func(_ dep, m met, _ res) { m.MethodIntegration.Type = proto.String("X") }, `GET /: unknown integration type "X"`},
		{"parameter key", "/", func(_ dep, m met, _ res) {
			m.MethodIntegration.RequestParameters = strings1("integration.request.body.x", "'a'")
		}, `GET /: integration request parameter "integration.request.body.x" is not`},
		{"parameter source", "/", func(_ dep, m met, _ res) {
			m.MethodIntegration.RequestParameters = strings1("integration.request.header.x", "a")
		}, "GET /: invalid mapping expression specified: a"},
		{"request template", "/", func(_ dep, m met, _ res) { m.MethodIntegration.RequestTemplates = strings1("a/b", "\n$x.y(1+1)") }, "GET /: integration request: template for a/b: line 2, column "},
		{"response template", "/", func(_ dep, _ met, r res) { r.ResponseTemplates = strings1("a/b", "#if") }, "GET /: integration response 200: template for a/b"},
		{"pattern", "/", func(_ dep, _ met, r res) { r.SelectionPattern = proto.String("(") }, "GET /: integration response 200: selection pattern: "},
		{"response parameter", "/", func(_ dep, _ met, r res) { r.ResponseParameters = strings1("method.response.header.A", "x") }, "GET /: integration response 200: invalid mapping expression"},
		{"undeclared response parameters mean nothing", "/", func(_ dep, _ met, r res) { r.ResponseParameters = strings1("method.response.header.B", "x") }, ""},
		{"status", "/", func(_ dep, m met, r res) {
			m.MethodIntegration.IntegrationResponses.Entries = map[string]*apigatewayv1.IntegrationResponse{"2xx": r}
		}, "GET /: integration response 2xx: the status code is not a number"},
		{"gateway response", "/", func(d dep, _ met, _ res) {
			d.GatewayResponses = []*apigatewayv1.GatewayResponse{{ResponseType: proto.String("X")}}
		}, `gateway response: "X" is not a response type`},
		{"gateway response status", "/", func(d dep, _ met, _ res) {
			d.GatewayResponses = []*apigatewayv1.GatewayResponse{{ResponseType: proto.String("THROTTLED"), StatusCode: proto.String("x")}}
		}, `gateway response THROTTLED: status code "x"`},
		{"what is refused need not compile", "/", func(_ dep, m met, _ res) {
			m.ApiKeyRequired, m.MethodIntegration.RequestTemplates = proto.Bool(true), strings1("a/b", "#if")
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := compileDeployment(deployed(tt.path, tt.change), &pipeline.Services{Caller: &integration.Caller{}})
			if (err == nil) != (tt.want == "") || err != nil && !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestUnserved(t *testing.T) {
	for want, m := range map[string]met{
		"an authorizer (authorizationType CUSTOM)":             {AuthorizationType: proto.String("CUSTOM")},
		"an authorizer (authorizationType AWS_IAM)":            {AuthorizationType: proto.String("AWS_IAM")},
		"an authorizer (authorizationType COGNITO_USER_POOLS)": {AuthorizationType: proto.String("COGNITO_USER_POOLS")},
		"an API key": {ApiKeyRequired: proto.Bool(true)},
		"an integration of type AWS with another service than Lambda": {MethodIntegration: &apigatewayv1.Integration{Type: proto.String("AWS")}},
		"a VPC link": {MethodIntegration: &apigatewayv1.Integration{ConnectionType: proto.String("VPC_LINK")}},
		"":           {AuthorizationType: proto.String("NONE")},
	} {
		if got := unservedOfMethod(m, authorizes(m.GetAuthorizationType(), nil, &pipeline.Services{}), false); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	private := &apigatewayv1.RestApi{EndpointConfiguration: &apigatewayv1.EndpointConfiguration{Types: &apigatewayv1.StringList{Items: []string{"PRIVATE"}}}}
	if got := unservedOfAPI(private); got != "a private endpoint" {
		t.Error(got)
	}
}

func TestApply_contentThatArrivesLater(t *testing.T) {
	p := New(Config{Services: &pipeline.Services{Caller: &integration.Caller{}}, Logger: slog.New(slog.DiscardHandler)})
	b, _ := proto.Marshal(deployed("/", func(dep, met, res) {}))
	u := snapshots.Update{Number: 4, Changed: []*configv1.Resource{{Key: "k", Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{ApiId: "api", DeploymentHash: "h", Stage: &apigatewayv1.Stage{StageName: proto.String("s")}}}}}}
	p.Apply(u)
	if r := p.Report(); len(r) != 1 || r[0].GetError() != errAbsent.Error() || r[0].GetDeploymentHash() != "" {
		t.Error(r)
	}
	p.Apply(snapshots.Update{Number: 4, Content: func(string) ([]byte, bool) { return []byte{0xff}, true }})
	if r := p.Report(); !strings.HasPrefix(r[0].GetError(), "the content of the deployment cannot be read") {
		t.Error(r)
	}
	p.Apply(snapshots.Update{Number: 4, Content: func(string) ([]byte, bool) { return b, true }})
	if r := p.Report(); r[0].GetError() != "" || r[0].GetDeploymentHash() != "h" || p.Number() != 4 {
		t.Error(r)
	}
	x := exchange.New()
	defer x.Release()
	x.Request.Host, x.Request.Path = "api.execute-api.localhost", "/s/"
	if !p.Claims(x) || x.Target.Stage != "s" {
		t.Error("the request is not claimed")
	}
}

// A stage whose newest deployment does not compile serves its last good one, also after a restart.
func TestApply_lastGood(t *testing.T) {
	p := New(Config{Services: &pipeline.Services{Caller: &integration.Caller{}}, Logger: slog.New(slog.DiscardHandler)})
	b, _ := proto.Marshal(deployed("/", func(dep, met, res) {}))
	stage := func(hash string) *configv1.Resource {
		return &configv1.Resource{Key: "k", Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{ApiId: "api", DeploymentHash: hash, Stage: &apigatewayv1.Stage{StageName: proto.String("s")}}}}
	}
	content := func(hash string) ([]byte, bool) {
		if hash == "good" {
			return b, true
		}
		return []byte{0xff}, true
	}
	failing := p.Apply(snapshots.Update{Full: true, Changed: []*configv1.Resource{stage("bad")}, LastGood: []*configv1.Resource{stage("good")}, Content: content})
	if r := p.Report(); len(failing) != 1 || failing[0] != "k" || r[0].GetDeploymentHash() != "good" || r[0].GetError() == "" {
		t.Errorf("failing %v, report %v", failing, r)
	}
	if s := p.Current().apis["api"].stages["s"]; s.content == nil {
		t.Error("the last good deployment is not served")
	}
}
