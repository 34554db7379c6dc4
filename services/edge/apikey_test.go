package edge

import (
	"context"
	"crypto/sha256"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// naming is an authz that allows everybody and names an API key.
type naming struct {
	authzv1.AuthzClient
	key string
}

func (n naming) Authorize(context.Context, *authzv1.AuthorizeRequest, ...grpc.CallOption) (*authzv1.AuthorizeResponse, error) {
	return &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_ALLOW, PrincipalId: "p", UsageIdentifierKey: n.key}, nil
}

// TestKeySource: the key comes from the header, or from the authorizer alone, and the function learns which it was.
func TestKeySource(t *testing.T) {
	const value = "the-value-of-the-key"
	event := ""
	w := start(t, Deps{Authz: naming{key: value}, Functions: invoker(func(_ string, payload []byte) (functions.Result, error) {
		event = string(payload)
		return functions.Result{Status: 200, Payload: []byte(`{"statusCode":200}`)}, nil
	})})
	keyed := func() *apigatewayv1.Method {
		m := of(lambda("f"))
		m.ApiKeyRequired = proto.Bool(true)
		return m
	}
	guarded := keyed()
	guarded.AuthorizationType, guarded.AuthorizerId = proto.String("CUSTOM"), proto.String("auth01")
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{
		"header": deployment(nil, method{"/x", "GET", keyed()}),
		"authorizer": deployment(func(d *snapshotv1.Deployment) {
			d.RestApi.ApiKeySource = proto.String("AUTHORIZER")
			d.Authorizers = []*apigatewayv1.Authorizer{{Id: proto.String("auth01"), Name: proto.String("a"), Type: proto.String("REQUEST"), AuthorizerUri: lambda("a").Uri, AuthorizerResultTtlInSeconds: proto.Int32(0)}}
		}, method{"/x", "GET", guarded}),
	})
	plan := &apigatewayv1.UsagePlan{Id: proto.String("plan01"), ApiStages: &apigatewayv1.ApiStageList{Items: []*apigatewayv1.ApiStage{
		{ApiId: proto.String(apiID), Stage: proto.String("header")}, {ApiId: proto.String(apiID), Stage: proto.String("authorizer")}}}}
	sum := sha256.Sum256([]byte(value))
	w.edge.Apply(snapshots.Update{Number: 1, Changed: []*configv1.Resource{
		{Key: "apikeys/k", Body: &configv1.Resource_ApiKey{ApiKey: &snapshotv1.ApiKey{Account: account, Region: "us-east-1", Id: "key0000001", ValueSha256: sum[:], Enabled: true}}},
		{Key: "usageplans/p", Body: &configv1.Resource_UsagePlan{UsagePlan: &snapshotv1.UsagePlan{Account: account, Region: "us-east-1", Plan: plan, KeyIds: []string{"key0000001"}}}},
	}})
	for _, tt := range []struct {
		name, path, header string
		status             int
	}{
		{"header in any case", "/header/x", "X-aPi-KeY: " + value, 200},
		{"header of another value", "/header/x", "x-api-key: THE-value-of-the-key", 403},
		{"authorizer", "/authorizer/x", "x-api-key: ignored", 200},
	} {
		event = ""
		a := w.send("GET " + tt.path + " HTTP/1.1\r\nHost: " + apiHost + "\r\n" + tt.header + "\r\n\r\n")
		if a.status != tt.status {
			t.Errorf("%s: %+v: %s", tt.name, a, w.explain(a))
		}
		if tt.status == 200 && !strings.Contains(event, `"apiKey":"`+value+`","apiKeyId":"key0000001"`) {
			t.Errorf("%s: %s", tt.name, event)
		}
	}
	// A key that is taken away is gone with the next request.
	w.edge.Apply(snapshots.Update{Number: 1, Deleted: []string{"apikeys/k"}})
	if a := w.send("GET /header/x HTTP/1.1\r\nHost: " + apiHost + "\r\nx-api-key: " + value + "\r\n\r\n"); a.status != 403 {
		t.Errorf("%+v", a)
	}
}
