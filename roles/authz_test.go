package roles

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/functions"
)

// only are the roles of these names.
func only(names ...string) []role {
	return slices.DeleteFunc(all(), func(r role) bool { return !slices.Contains(names, r.name) })
}

// startControl runs everything but the edge, for edges in other processes.
func startControl(t *testing.T) (Config, *house) {
	t.Helper()
	dir := t.TempDir()
	c := Config{DataDir: dir, RootKeyFile: filepath.Join(dir, "keys"), Admin: AdminConfig{GRPCListen: proxytest.FreeAddress(t)},
		Authz: AuthzConfig{GRPCListen: proxytest.FreeAddress(t)}, Functions: FunctionsConfig{Listen: proxytest.FreeAddress(t)}}
	for _, name := range []string{"echo", "authorizer"} {
		c.Functions.Declare = append(c.Functions.Declare, functions.Function{Name: name, URL: lambdaTarget(t, name)})
	}
	if _, err := rootkeys.LoadOrCreate(c.RootKeyFile, "111111111111", "222222222222"); err != nil {
		t.Fatal(err)
	}
	h, stop := start(t, c, only("etcd", "nats", "admin", "functions", "authz"))
	t.Cleanup(stop)
	return c, h
}

// lambdaTarget is an HTTP target that takes the Lambda Invoke form: the samples run as this program would need limen's
// binary.
func lambdaTarget(t *testing.T, name string) string {
	t.Helper()
	answers := map[string]string{
		"echo":       `{"statusCode":200,"body":"called"}`,
		"authorizer": `{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"*"}]}}`,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, answers[name]) }))
	t.Cleanup(s.Close)
	return s.URL
}

// guardedAPI makes and deploys an API whose only method needs a token of the sample authorizer, and returns its id.
func guardedAPI(t *testing.T, h *house) string {
	t.Helper()
	keys, _, err := RootKeys(h.config, false)
	if err != nil {
		t.Fatal(err)
	}
	apis := adminv1.NewApiGatewayClient(h.admin.service.Root(h.admin.server.Local(rpc.Admin), keys[0].Account, h.config.Region))
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	function := func(name string) *string {
		return proto.String(fmt.Sprintf("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:%s:function:%s/invocations", keys[0].Account, name))
	}
	api, err := apis.CreateRestApi(ctx, &apigatewayv1.CreateRestApiRequest{Name: proto.String("guarded")})
	must(err)
	authorizer, err := apis.CreateAuthorizer(ctx, &apigatewayv1.CreateAuthorizerRequest{RestApiId: api.Id, Name: proto.String("a"), Type: proto.String("TOKEN"),
		AuthorizerUri: function("authorizer"), IdentitySource: proto.String("method.request.header.Authorization"), AuthorizerResultTtlInSeconds: proto.Int32(0)})
	must(err)
	_, err = apis.PutMethod(ctx, &apigatewayv1.PutMethodRequest{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: proto.String("GET"),
		AuthorizationType: proto.String("CUSTOM"), AuthorizerId: authorizer.Id})
	must(err)
	_, err = apis.PutIntegration(ctx, &apigatewayv1.PutIntegrationRequest{RestApiId: api.Id, ResourceId: api.RootResourceId, HttpMethod: proto.String("GET"),
		Type: proto.String("AWS_PROXY"), IntegrationHttpMethod: proto.String("POST"), Uri: function("echo")})
	must(err)
	_, err = apis.CreateDeployment(ctx, &apigatewayv1.CreateDeploymentRequest{RestApiId: api.Id, StageName: proto.String("prod")})
	must(err)
	own := adminv1.NewAdminClient(h.admin.service.Root(h.admin.server.Local(rpc.Admin), keys[0].Account, h.config.Region))
	_, err = own.Wait(ctx, &adminv1.WaitRequest{ApiId: api.GetId(), Stage: "prod", TimeoutMillis: 5000})
	must(err)
	return api.GetId()
}

// TestAuthzDownNobodyPasses cuts the real connection between an edge and an authz of another process, and mends it.
func TestAuthzDownNobodyPasses(t *testing.T) {
	control, h := startControl(t)
	proxy := proxytest.New(t, func() (string, string) { return "tcp", control.Authz.GRPCListen })
	data := proxytest.FreeAddress(t)
	_, stop := start(t, Config{DataDir: t.TempDir(), AdminAddress: control.Admin.GRPCListen,
		Edge: EdgeConfig{Listen: data, Authz: proxy.Addr(), Functions: "http://" + control.Functions.Listen}}, only("edge"))
	defer stop()
	api := guardedAPI(t, h)

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	call := func() (int, string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		req, _ := http.NewRequestWithContext(ctx, "GET", "http://"+data+"/_aws/execute-api/"+api+"/prod/", nil)
		req.Header.Set("Authorization", "allow")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(body)
	}
	if status, body := call(); status != 200 {
		t.Fatalf("authz there: %d %s", status, body)
	}
	proxy.Cut()
	for range 3 {
		if status, body := call(); status != 500 || body != `{"message":null}` {
			t.Errorf("authz away: %d %s", status, body)
		}
	}
	proxy.Restore(t)
	deadline := time.Now().Add(20 * time.Second)
	for {
		status, body := call()
		if status == 200 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("authz back: %d %s", status, body)
		}
	}
}
