package codec

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// raw is a request that the SDK does not send.
type raw struct {
	what, method, target, body string
	accept                     string
	operation, message         string // what arrives
	fault, text                string // or why it is refused
}

// TestRawRequests: what other clients send and the SDK can not.
func TestRawRequests(t *testing.T) {
	e := startEcho(t)
	for _, group := range [][]raw{presence, nulls, routes, encodings, places} {
		for _, r := range group {
			t.Run(r.what, func(t *testing.T) {
				if status, fault, text := post(t, e, r); status/100 != 2 {
					t.Fatalf("%d %s %s", status, fault, text)
				}
				operation, got, err := e.request()
				if err != nil {
					t.Fatal(err)
				}
				var want any
				if err := json.Unmarshal([]byte(r.message), &want); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got); diff != "" || operation != r.operation {
					t.Errorf("%s arrived (- wanted, + arrived)\n%s", operation, diff)
				}
			})
		}
	}
}

// TestRawRefusals: requests that AWS's front door refuses, in its words (spec/control-plane.md 4.2).
func TestRawRefusals(t *testing.T) {
	e := startEcho(t)
	for _, group := range [][]raw{unknownMembers, wrongTypes, malformed, constraints} {
		for _, r := range group {
			t.Run(r.what, func(t *testing.T) {
				status, fault, text := post(t, e, r)
				if status != http.StatusBadRequest || fault != r.fault || text != r.text {
					t.Errorf("%d %s\n got %s\nwant %s", status, fault, text, r.text)
				}
			})
		}
	}
}

func post(t *testing.T, e *echo, r raw) (status int, fault, text string) {
	t.Helper()
	req, err := http.NewRequest(r.method, e.base+r.target, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.accept != "" {
		req.Header.Set("Accept", r.accept)
	}
	resp, err := e.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var shown struct{ Message string }
	if resp.StatusCode >= 300 {
		if err := json.Unmarshal(body, &shown); err != nil {
			t.Fatalf("%d %q: %v", resp.StatusCode, body, err)
		}
	}
	return resp.StatusCode, resp.Header.Get("X-Amzn-Errortype"), shown.Message
}

// presence: plain false and 0 of v1, which the Go SDK leaves out.
var presence = []raw{
	{what: "false on create", method: "POST", target: "/apikeys", body: `{"enabled":false,"generateDistinctId":false}`,
		operation: "apigateway.CreateApiKey", message: `{"enabled":false,"generateDistinctId":false}`},
	{what: "true on create", method: "POST", target: "/apikeys", body: `{"enabled":true}`,
		operation: "apigateway.CreateApiKey", message: `{"enabled":true}`},
	{what: "false of a stage", method: "POST", target: "/restapis/a/stages",
		body:      `{"stageName":"s","deploymentId":"d","cacheClusterEnabled":false,"tracingEnabled":false,"canarySettings":{"percentTraffic":0,"useStageCache":false}}`,
		operation: "apigateway.CreateStage",
		message:   `{"restApiId":"a","stageName":"s","deploymentId":"d","cacheClusterEnabled":false,"tracingEnabled":false,"canarySettings":{"percentTraffic":0,"useStageCache":false}}`},
	{what: "false of an API", method: "POST", target: "/restapis", body: `{"name":"n","disableExecuteApiEndpoint":false,"minimumCompressionSize":0}`,
		operation: "apigateway.CreateRestApi", message: `{"name":"n","disableExecuteApiEndpoint":false,"minimumCompressionSize":0}`},
	{what: "false of a method", method: "PUT", target: "/restapis/a/resources/r/methods/GET", body: `{"authorizationType":"NONE","apiKeyRequired":false}`,
		operation: "apigateway.PutMethod", message: `{"restApiId":"a","resourceId":"r","httpMethod":"GET","authorizationType":"NONE","apiKeyRequired":false}`},
	{what: "false of a validator", method: "POST", target: "/restapis/a/requestvalidators", body: `{"validateRequestBody":false,"validateRequestParameters":false}`,
		operation: "apigateway.CreateRequestValidator", message: `{"restApiId":"a","validateRequestBody":false,"validateRequestParameters":false}`},
	{what: "zeros of a usage plan", method: "POST", target: "/usageplans",
		body:      `{"name":"n","throttle":{"burstLimit":0,"rateLimit":0.0},"quota":{"limit":0,"offset":0},"apiStages":[]}`,
		operation: "apigateway.CreateUsagePlan",
		message:   `{"name":"n","throttle":{"burstLimit":0,"rateLimit":0},"quota":{"limit":0,"offset":0},"apiStages":{}}`},
	{what: "false in a query", method: "GET", target: "/apikeys?includeValues=false&limit=0",
		operation: "apigateway.GetApiKeys", message: `{"includeValues":false,"limit":0}`},
	{what: "any case of true in a query", method: "GET", target: "/restapis/a/models/m?flatten=True",
		operation: "apigateway.GetModel", message: `{"restApiId":"a","modelName":"m","flatten":true}`},
}

// nulls: a null member is an absent one; a null in a map of texts is a value.
var nulls = []raw{
	{what: "null of every kind", method: "POST", target: "/restapis",
		body:      `{"name":"n","description":null,"binaryMediaTypes":null,"minimumCompressionSize":null,"endpointConfiguration":null,"tags":null,"disableExecuteApiEndpoint":null}`,
		operation: "apigateway.CreateRestApi", message: `{"name":"n"}`},
	{what: "null inside a map", method: "PUT", target: "/restapis/a/resources/r/methods/GET/integration",
		body:      `{"type":"MOCK","requestTemplates":{"application/json":null,"text/plain":"x"}}`,
		operation: "apigateway.PutIntegration",
		message:   `{"restApiId":"a","resourceId":"r","httpMethod":"GET","type":"MOCK","requestTemplates":{"entries":{"application/json":"","text/plain":"x"}}}`},
	{what: "null inside a list", method: "POST", target: "/restapis", body: `{"name":"n","binaryMediaTypes":[null,"a/b"]}`,
		operation: "apigateway.CreateRestApi", message: `{"name":"n","binaryMediaTypes":{"items":["a/b"]}}`},
	{what: "null instead of a body", method: "POST", target: "/apikeys", body: `null`,
		operation: "apigateway.CreateApiKey", message: `{}`},
	{what: "white space instead of a body", method: "POST", target: "/apikeys", body: " \n",
		operation: "apigateway.CreateApiKey", message: `{}`},
}

// routes: operations that share verb and path.
var routes = []raw{
	{what: "create an API", method: "POST", target: "/restapis", body: `{"name":"n"}`,
		operation: "apigateway.CreateRestApi", message: `{"name":"n"}`},
	{what: "import an API", method: "POST", target: "/restapis?mode=import&failonwarnings=true", body: `{"name":"n"}`,
		operation: "apigateway.ImportRestApi", message: `{"failOnWarnings":true,"body":"eyJuYW1lIjoibiJ9"}`},
	{what: "another mode is no import", method: "POST", target: "/restapis?mode=merge", body: `{"name":"n"}`,
		operation: "apigateway.CreateRestApi", message: `{"name":"n"}`},
	{what: "create a key", method: "POST", target: "/apikeys", operation: "apigateway.CreateApiKey", message: `{}`},
	{what: "import keys", method: "POST", target: "/apikeys?format=csv&mode=import", body: "Name,Key\na,b",
		operation: "apigateway.ImportApiKeys", message: `{"format":"csv","body":"TmFtZSxLZXkKYSxi"}`},
	{what: "free pairs of a query", method: "PUT", target: "/restapis/a?mode=overwrite&basepath=split&failonwarnings=false&x=", body: "x",
		operation: "apigateway.PutRestApi",
		message:   `{"restApiId":"a","mode":"overwrite","failOnWarnings":false,"parameters":{"entries":{"basepath":"split","x":""}},"body":"eA=="}`},
	{what: "the constant of an import is no free pair", method: "POST", target: "/restapis?mode=import&endpointConfigurationTypes=EDGE", body: "x",
		operation: "apigateway.ImportRestApi", message: `{"parameters":{"entries":{"endpointConfigurationTypes":"EDGE"}},"body":"eA=="}`},
	{what: "put a method", method: "PUT", target: "/restapis/a/resources/r/methods/ANY", body: `{"authorizationType":"NONE"}`,
		operation: "apigateway.PutMethod", message: `{"restApiId":"a","resourceId":"r","httpMethod":"ANY","authorizationType":"NONE"}`},
	{what: "test a method", method: "POST", target: "/restapis/a/resources/r/methods/ANY", body: `{"body":""}`,
		operation: "apigateway.TestInvokeMethod", message: `{"restApiId":"a","resourceId":"r","httpMethod":"ANY","body":""}`},
	{what: "a parent id", method: "POST", target: "/restapis/a/resources/r", body: `{"pathPart":"p"}`,
		operation: "apigateway.CreateResource", message: `{"restApiId":"a","parentId":"r","pathPart":"p"}`},
	{what: "import a v2 API", method: "PUT", target: "/v2/apis?failOnWarnings=true", body: `{"body":"openapi"}`,
		operation: "apigatewayv2.ImportApi", message: `{"failOnWarnings":true,"body":"openapi"}`},
	{what: "reimport a v2 API", method: "PUT", target: "/v2/apis/a?basepath=split", body: `{"body":"openapi"}`,
		operation: "apigatewayv2.ReimportApi", message: `{"apiId":"a","basepath":"split","body":"openapi"}`},
	{what: "an encoded slash is no separator", method: "POST", target: "/restapis/a/resources/r%2F", body: `{"pathPart":"p"}`,
		operation: "apigateway.CreateResource", message: `{"restApiId":"a","parentId":"r/","pathPart":"p"}`},
}

// encodings: the path is split before it is unescaped.
var encodings = []raw{
	{what: "ARN of v1", method: "GET", target: "/tags/arn%3Aaws%3Aapigateway%3Aus-east-1%3A%3A%2Frestapis%2Fabc",
		operation: "apigateway.GetTags", message: `{"resourceArn":"arn:aws:apigateway:us-east-1::/restapis/abc"}`},
	{what: "ARN of v2", method: "GET", target: "/v2/tags/arn:aws:apigateway:us-east-1::%2Fapis%2Fabc%2Fstages%2F$default",
		operation: "apigatewayv2.GetTags", message: `{"resourceArn":"arn:aws:apigateway:us-east-1::/apis/abc/stages/$default"}`},
	{what: "base path (none)", method: "GET", target: "/domainnames/api.example.com/basepathmappings/%28none%29",
		operation: "apigateway.GetBasePathMapping", message: `{"domainName":"api.example.com","basePath":"(none)"}`},
	{what: "base path (none), bare", method: "GET", target: "/domainnames/api.example.com/basepathmappings/(none)",
		operation: "apigateway.GetBasePathMapping", message: `{"domainName":"api.example.com","basePath":"(none)"}`},
	{what: "stage $default", method: "GET", target: "/v2/apis/a/stages/%24default",
		operation: "apigatewayv2.GetStage", message: `{"apiId":"a","stageName":"$default"}`},
	{what: "route key", method: "DELETE", target: "/v2/apis/a/stages/s/routesettings/GET%20%2Fpets%2F%7Bid%7D",
		operation: "apigatewayv2.DeleteRouteSettings", message: `{"apiId":"a","stageName":"s","routeKey":"GET /pets/{id}"}`},
	{what: "connection id", method: "DELETE", target: "/@connections/L0SM9cOFvHcCIhw%3D",
		operation: "apigatewaymanagementapi.DeleteConnection", message: `{"connectionId":"L0SM9cOFvHcCIhw="}`},
	{what: "connection id, the at encoded", method: "DELETE", target: "/%40connections/L0SM9cOFvHcCIhw=",
		operation: "apigatewaymanagementapi.DeleteConnection", message: `{"connectionId":"L0SM9cOFvHcCIhw="}`},
	{what: "a plus in a path is a plus", method: "GET", target: "/apikeys/a+b",
		operation: "apigateway.GetApiKey", message: `{"apiKey":"a+b"}`},
	{what: "a plus in a query is a blank", method: "GET", target: "/apikeys?name=a+b%2Bc",
		operation: "apigateway.GetApiKeys", message: `{"nameQuery":"a b+c"}`},
	{what: "bytes that are no text", method: "GET", target: "/apikeys/a%FF?includeValue=true",
		operation: "apigateway.GetApiKey", message: `{"apiKey":"a\ufffd","includeValue":true}`},
	{what: "escapes in a body", method: "POST", target: "/apikeys", body: `{"name":"\u00e9\ud83d\ude00\"\\\/\n","description":"\ud800"}`,
		operation: "apigateway.CreateApiKey", message: `{"name":"é😀\"\\/\n","description":"\ufffd"}`},
}

// places: members outside the body.
var places = []raw{
	{what: "a list repeated", method: "DELETE", target: "/tags/arn?tagKeys=a&tagKeys=b",
		operation: "apigateway.UntagResource", message: `{"resourceArn":"arn","tagKeys":{"items":["a","b"]}}`},
	{what: "a list with commas", method: "DELETE", target: "/v2/tags/arn?tagKeys=a,b",
		operation: "apigatewayv2.UntagResource", message: `{"resourceArn":"arn","tagKeys":{"items":["a","b"]}}`},
	{what: "the accepted type of an export", method: "GET", target: "/restapis/a/stages/s/exports/oas30?extensions=apigateway", accept: "application/yaml",
		operation: "apigateway.GetExport",
		message:   `{"restApiId":"a","stageName":"s","exportType":"oas30","accepts":"application/yaml","parameters":{"entries":{"extensions":"apigateway"}}}`},
	{what: "no accepted type", method: "GET", target: "/restapis/a/stages/s/exports/oas30",
		operation: "apigateway.GetExport", message: `{"restApiId":"a","stageName":"s","exportType":"oas30"}`},
	{what: "pairs that no member names pass", method: "GET", target: "/restapis/a?X-Amz-Signature=x",
		operation: "apigateway.GetRestApi", message: `{"restApiId":"a"}`},
	{what: "SDK-side names", method: "PUT", target: "/restapis/a/resources/r/methods/GET/integration", body: `{"type":"HTTP","httpMethod":"POST"}`,
		operation: "apigateway.PutIntegration", message: `{"restApiId":"a","resourceId":"r","httpMethod":"GET","type":"HTTP","integrationHttpMethod":"POST"}`},
	{what: "an empty frame", method: "POST", target: "/@connections/c",
		operation: "apigatewaymanagementapi.PostToConnection", message: `{"connectionId":"c","data":""}`},
	{what: "a body where the operation has none", method: "DELETE", target: "/apikeys/a", body: `{"x":1}`,
		operation: "apigateway.DeleteApiKey", message: `{"apiKey":"a"}`},
}
