package admin_test

import (
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/core/snapshot"
)

const webSocketLambda = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111111111111:function:f/invocations"

// webSocket makes a WebSocket API and returns its path.
func (p *plane) webSocket() string {
	p.t.Helper()
	return "/v2/apis/" + p.must(alice, "POST", "/v2/apis", `{"name":"chat","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.action"}`)["apiId"].(string)
}

// route adds a MOCK integration and a route to it, and returns their ids.
func (p *plane) route(api, key string) (integration, route string) {
	p.t.Helper()
	integration = p.must(alice, "POST", api+"/integrations", `{"integrationType":"MOCK"}`)["integrationId"].(string)
	route = p.must(alice, "POST", api+"/routes", `{"routeKey":"`+key+`","target":"integrations/`+integration+`"}`)["routeId"].(string)
	return integration, route
}

func TestWebSocketAPI(t *testing.T) {
	p := newPlane(t)
	r := p.call(alice, "POST", "/v2/apis", `{"name":"chat","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.action","description":"d","tags":{"a":"1"}}`)
	id, _ := r.body["apiId"].(string)
	created, _ := r.body["createdDate"].(string)
	if len(id) != 10 || !strings.HasSuffix(created, "Z") {
		t.Fatalf("%d %s", r.status, r.text)
	}
	shown := `{"apiId":"` + id + `","name":"chat","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.action","description":"d","tags":{"a":"1"},` +
		`"apiEndpoint":"wss://` + id + `.execute-api.us-east-1.amazonaws.com","apiKeySelectionExpression":"$request.header.x-api-key","disableExecuteApiEndpoint":false,"ipAddressType":"ipv4","createdDate":"` + created + `"}`
	r.same(t, 201, shown)
	api := "/v2/apis/" + id
	p.call(alice, "GET", api, "").same(t, 200, shown)
	p.call(alice, "PATCH", api, `{"description":"","version":"v1","disableExecuteApiEndpoint":true}`).same(t, 200,
		strings.Replace(strings.Replace(shown, `"description":"d"`, `"version":"v1"`, 1), "false", "true", 1))
	for _, tt := range []struct{ name, body, text string }{
		{"no expression", `{"name":"a","protocolType":"WEBSOCKET"}`, "routeSelectionExpression must be specified for APIs with a protocol type of WEBSOCKET"},
		{"a header is no part of a message", `{"name":"a","protocolType":"WEBSOCKET","routeSelectionExpression":"${request.header.x}"}`, "Invalid routeSelectionExpression specified: ${request.header.x}"},
		{"open brace", `{"name":"a","protocolType":"WEBSOCKET","routeSelectionExpression":"x-${request.body.x"}`, "Invalid routeSelectionExpression specified: x-${request.body.x"},
		{"key selection", `{"name":"a","protocolType":"WEBSOCKET","routeSelectionExpression":"x","apiKeySelectionExpression":"$request.header.k"}`, "Invalid apiKeySelectionExpression specified: $request.header.k"},
		{"quick create", `{"name":"a","protocolType":"WEBSOCKET","routeSelectionExpression":"x","target":"arn:x"}`, "target is not supported for APIs with a protocol type of WEBSOCKET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.call(alice, "POST", "/v2/apis", tt.body).want(t, 400, "BadRequestException", tt.text)
		})
	}
	p.call(alice, "POST", "/v2/apis", `{"name":"a","protocolType":"HTTP"}`).want(t, 501, "NotImplementedException", "HTTP APIs are not implemented yet")

	missing := "Invalid API identifier specified 222222222222:" + id
	p.call(bob, "GET", api, "").want(t, 404, "NotFoundException", missing)
	p.call(bob, "DELETE", api, "").want(t, 404, "NotFoundException", missing)
	p.call(alice, "GET", "/restapis/"+id, "").want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:"+id)
	if r := p.call(alice, "DELETE", api, ""); r.status != 204 {
		t.Errorf("deleted: %d %s", r.status, r.text)
	}
	p.call(alice, "GET", api, "").want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:"+id)
}

func TestWebSocketPages(t *testing.T) {
	p := newPlane(t)
	for range 3 {
		p.webSocket()
	}
	page := p.must(alice, "GET", "/v2/apis?maxResults=2", "")
	rest := p.must(alice, "GET", "/v2/apis?maxResults=2&nextToken="+page["nextToken"].(string), "")
	if len(page["items"].([]any)) != 2 || len(rest["items"].([]any)) != 1 || rest["nextToken"] != nil {
		t.Errorf("pages %v, %v", page, rest)
	}
	p.call(alice, "GET", "/v2/apis?nextToken=bogus", "").want(t, 400, "BadRequestException", "Invalid nextToken parameter")
	p.call(alice, "GET", "/v2/apis?maxResults=x", "").want(t, 400, "BadRequestException", "Invalid maxResults parameter")
}

func TestWebSocketRoute(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	integration, route := p.route(api, "join")
	routes := api + "/routes"
	p.call(alice, "GET", routes+"/"+route, "").same(t, 200, `{"routeId":"`+route+`","routeKey":"join","target":"integrations/`+integration+`","apiKeyRequired":false,"authorizationType":"NONE"}`)
	for _, tt := range []struct {
		name, body   string
		status       int
		kind, answer string
	}{
		{"second of a key", `{"routeKey":"join"}`, 409, "ConflictException", "Route with key join already exists for this API"},
		{"dollar", `{"routeKey":"$other"}`, 400, "BadRequestException", "The provided route key is not formatted properly for WebSocket protocol. It may not be empty, and only $connect, $disconnect and $default begin with a $."},
		{"authorization of messages", `{"routeKey":"x","authorizationType":"AWS_IAM"}`, 400, "BadRequestException", "Currently, authorization is restricted to the $connect route only"},
		{"JWT", `{"routeKey":"$connect","authorizationType":"JWT"}`, 400, "BadRequestException", "authorizationType JWT is not supported for APIs with a protocol type of WEBSOCKET"},
		{"no authorizer", `{"routeKey":"$connect","authorizationType":"CUSTOM","authorizerId":"nosuch"}`, 400, "BadRequestException", "Invalid authorizer ID specified. Setting the authorization type to CUSTOM requires a valid authorizer."},
		{"authorizer without use", `{"routeKey":"$connect","authorizationType":"NONE","authorizerId":"x"}`, 400, "BadRequestException", "Invalid authorizer ID specified. Setting the authorization type to NONE takes no authorizer."},
		{"target", `{"routeKey":"x","target":"` + integration + `"}`, 400, "BadRequestException", "Invalid target specified: " + integration + ". It should be integrations/{integrationId}"},
		{"unknown target", `{"routeKey":"x","target":"integrations/nosuch"}`, 404, "NotFoundException", "Unable to find Integration by id nosuch"},
		{"response expression", `{"routeKey":"x","routeResponseSelectionExpression":"$request.body.a"}`, 400, "BadRequestException", "Invalid routeResponseSelectionExpression specified: $request.body.a. Only $default is supported"},
		{"model", `{"routeKey":"x","requestModels":{"a":"Nosuch"}}`, 400, "BadRequestException", "Invalid model identifier specified: Nosuch"},
		{"parameter", `{"routeKey":"x","requestParameters":{"route.request.body.a":{"required":true}}}`, 400, "BadRequestException", "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: route.request.body.a]"},
	} {
		t.Run(tt.name, func(t *testing.T) { p.call(alice, "POST", routes, tt.body).want(t, tt.status, tt.kind, tt.answer) })
	}
	p.call(alice, "DELETE", api+"/integrations/"+integration, "").want(t, 409, "ConflictException", "Cannot delete Integration because it is referenced by the following Routes with Ids: ["+route+"]")

	connect := routes + "/" + p.must(alice, "POST", routes, `{"routeKey":"$connect","requestParameters":{"route.request.querystring.a":{"required":true}}}`)["routeId"].(string)
	got := p.must(alice, "PATCH", connect, `{"requestParameters":{"route.request.header.B":{"required":false}}}`)["requestParameters"]
	if want := map[string]any{"route.request.querystring.a": map[string]any{"required": true}, "route.request.header.B": map[string]any{"required": false}}; !reflect.DeepEqual(got, want) {
		t.Errorf("parameters are put beside: %v", got)
	}
	if r := p.call(alice, "DELETE", connect+"/requestparameters/route.request.querystring.a", ""); r.status != 204 {
		t.Errorf("%d %s", r.status, r.text)
	}
	p.call(alice, "DELETE", connect+"/requestparameters/route.request.querystring.a", "").want(t, 404, "NotFoundException", "Unable to find request parameter route.request.querystring.a of Route "+connect[len(routes)+1:])

	responses := routes + "/" + route + "/routeresponses"
	p.call(alice, "POST", responses, `{"routeResponseKey":"x"}`).want(t, 400, "BadRequestException", "Invalid routeResponseKey specified: x. Only $default is supported")
	response := p.must(alice, "POST", responses, `{"routeResponseKey":"$default"}`)["routeResponseId"].(string)
	p.call(alice, "POST", responses, `{"routeResponseKey":"$default"}`).want(t, 409, "ConflictException", "RouteResponse with key $default already exists for this Route")
	p.must(alice, "DELETE", routes+"/"+route, "")
	p.call(alice, "GET", responses+"/"+response, "").want(t, 404, "NotFoundException", "Unable to find Route by id "+route)
	p.must(alice, "DELETE", api+"/integrations/"+integration, "")
}

func TestWebSocketIntegration(t *testing.T) {
	p := newPlane(t)
	all := p.webSocket() + "/integrations"
	for _, tt := range []struct{ name, body, text string }{
		{"URL", `{"integrationType":"HTTP_PROXY","integrationMethod":"POST","integrationUri":"ftp://x"}`, "Invalid HTTP endpoint specified for URI"},
		{"method", `{"integrationType":"HTTP_PROXY","integrationUri":"http://x"}`, "Enumeration value for HttpMethod must be non-empty"},
		{"ARN", `{"integrationType":"AWS_PROXY","integrationUri":"x"}`, "Invalid ARN specified in the request"},
		{"time", `{"integrationType":"MOCK","timeoutInMillis":29001}`, "Timeout should be between 50 ms and 29000 ms"},
		{"payload", `{"integrationType":"MOCK","payloadFormatVersion":"2.0"}`, "payloadFormatVersion 2.0 is not supported for APIs with a protocol type of WEBSOCKET"},
		{"link", `{"integrationType":"MOCK","connectionType":"VPC_LINK"}`, "Invalid connectionId specified: connections of type VPC_LINK need one, others have none"},
		{"source", `{"integrationType":"MOCK","requestParameters":{"integration.request.header.A":"method.request.header.A"}}`, "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: method.request.header.A]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.call(alice, "POST", all, tt.body).want(t, 400, "BadRequestException", tt.text)
		})
	}
	r := p.call(alice, "POST", all, `{"integrationType":"AWS_PROXY","integrationUri":"`+webSocketLambda+`","description":"d","requestParameters":{"integration.request.header.A":"'a'","integration.request.header.B":"'b'"}}`)
	id, _ := r.body["integrationId"].(string)
	shown := `{"integrationId":"` + id + `","integrationType":"AWS_PROXY","integrationUri":"` + webSocketLambda + `","integrationMethod":"POST","connectionType":"INTERNET","payloadFormatVersion":"1.0","timeoutInMillis":29000,` +
		`"passthroughBehavior":"WHEN_NO_MATCH","integrationResponseSelectionExpression":"${integration.response.statuscode}","requestParameters":{"integration.request.header.A":"'a'"`
	r.same(t, 201, shown+`,"integration.request.header.B":"'b'"},"description":"d"}`)
	p.call(alice, "PATCH", all+"/"+id, `{"description":"","requestParameters":{"integration.request.header.B":""}}`).same(t, 200, shown+`}}`)

	responses := all + "/" + id + "/integrationresponses"
	p.call(alice, "POST", responses, `{"integrationResponseKey":"200"}`).want(t, 400, "BadRequestException", "Invalid integrationResponseKey specified: 200. It should be $default or a regular expression between slashes")
	one := p.must(alice, "POST", responses, `{"integrationResponseKey":"/200/","templateSelectionExpression":"${integration.response.statuscode}"}`)["integrationResponseId"].(string)
	p.call(alice, "POST", responses, `{"integrationResponseKey":"/200/"}`).want(t, 409, "ConflictException", "IntegrationResponse with key /200/ already exists for this Integration")
	if got := p.must(alice, "PATCH", responses+"/"+one, `{"integrationResponseKey":"$default"}`)["integrationResponseKey"]; got != "$default" {
		t.Errorf("patched: %v", got)
	}
	p.must(alice, "DELETE", all+"/"+id, "")
}

func TestWebSocketModelsAndAuthorizers(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	p.call(alice, "POST", api+"/models", `{"name":"M","schema":"[1]"}`).want(t, 400, "BadRequestException", "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	model := p.must(alice, "POST", api+"/models", `{"name":"M","contentType":"application/json","schema":"{\"type\":\"object\"}"}`)["modelId"].(string)
	p.call(alice, "POST", api+"/models", `{"name":"M","schema":"{}"}`).want(t, 409, "ConflictException", "Model name already exists for this API")
	authorizer := `{"name":"z","authorizerType":"REQUEST","authorizerUri":"` + webSocketLambda + `","identitySource":["route.request.querystring.auth"]`
	z := p.must(alice, "POST", api+"/authorizers", authorizer+`}`)["authorizerId"].(string)
	p.call(alice, "GET", api+"/authorizers/"+z, "").same(t, 200, authorizer+`,"authorizerId":"`+z+`"}`)
	p.call(alice, "POST", api+"/authorizers", authorizer+`}`).want(t, 400, "BadRequestException", "Authorizer name must be unique. Authorizer z already exists in this RestApi.")
	p.call(alice, "POST", api+"/authorizers", strings.Replace(authorizer, `"z"`, `"y"`, 1)+`,"authorizerResultTtlInSeconds":300}`).want(t, 400, "BadRequestException", "authorizerResultTtlInSeconds is not supported for APIs with a protocol type of WEBSOCKET")

	route := api + "/routes/" + p.must(alice, "POST", api+"/routes", `{"routeKey":"$connect","authorizationType":"CUSTOM","authorizerId":"`+z+`","requestModels":{"$default":"M"}}`)["routeId"].(string)
	p.call(alice, "DELETE", api+"/authorizers/"+z, "").want(t, 409, "ConflictException", "Cannot delete authorizer '"+z+"', is referenced in route: $connect")
	p.call(alice, "DELETE", api+"/models/"+model, "").want(t, 409, "ConflictException", "Cannot delete model 'M', is referenced in route request: $connect")
	p.call(alice, "PATCH", api+"/models/"+model, `{"name":"N"}`).want(t, 409, "ConflictException", "Cannot rename model 'M', is referenced in route request: $connect")
	if got := p.must(alice, "PATCH", route, `{"authorizationType":"NONE","requestModels":{}}`); got["authorizerId"] != nil {
		t.Errorf("the type drops the authorizer: %v", got)
	}
	p.must(alice, "DELETE", api+"/authorizers/"+z, "")
	p.must(alice, "DELETE", api+"/models/"+model, "")
}

func TestWebSocketStage(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	stages := api + "/stages"
	p.call(alice, "POST", stages, `{"stageName":"prod","stageVariables":{"a":"1","b":"2"}}`)
	p.call(alice, "POST", stages, `{"stageName":"prod"}`).want(t, 409, "ConflictException", "Stage already exists")
	p.call(alice, "POST", stages, `{"stageName":"$default"}`).want(t, 400, "BadRequestException", "Stage name only allows a-zA-Z0-9_-")
	p.call(alice, "POST", stages, `{"stageName":"x","deploymentId":"nosuch"}`).want(t, 400, "BadRequestException", "Deployment id does not exist")
	p.call(alice, "POST", api+"/deployments", `{"stageName":"prod"}`).want(t, 400, "BadRequestException", "Unable to deploy API because no routes exist in this API")
	p.route(api, "join")
	p.call(alice, "POST", api+"/deployments", `{"stageName":"nosuch"}`).want(t, 404, "NotFoundException", "Invalid stage identifier specified")
	r := p.call(alice, "POST", api+"/deployments", `{"stageName":"prod","description":""}`)
	if r.status != 201 || r.header.Get("x-limen-revision") == "" || r.body["deploymentStatus"] != "DEPLOYED" || r.body["autoDeployed"] != false {
		t.Fatalf("%d %s %v", r.status, r.text, r.header)
	}
	deployment := r.body["deploymentId"].(string)
	p.call(alice, "DELETE", api+"/deployments/"+deployment, "").want(t, 400, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")

	p.call(alice, "PATCH", stages+"/prod", `{"routeSettings":{"nosuch":{}}}`).want(t, 404, "NotFoundException", "Unable to find Route by key nosuch within the provided RouteSettings")
	p.must(alice, "PATCH", stages+"/prod", `{"routeSettings":{"join":{"throttlingBurstLimit":5}},"accessLogSettings":{"destinationArn":"arn:x","format":"f"}}`)
	got := p.must(alice, "PATCH", stages+"/prod", `{"stageVariables":{"a":"","c":"3"},"routeSettings":{"join":{"loggingLevel":"INFO"}},"accessLogSettings":{}}`)
	for member, want := range map[string]any{
		"deploymentId": deployment, "autoDeploy": false, "accessLogSettings": nil, "tags": map[string]any{},
		"stageVariables":       map[string]any{"b": "2", "c": "3"},
		"routeSettings":        map[string]any{"join": map[string]any{"throttlingBurstLimit": 5.0, "loggingLevel": "INFO"}},
		"defaultRouteSettings": map[string]any{"dataTraceEnabled": false, "detailedMetricsEnabled": false, "loggingLevel": "OFF"},
	} {
		if !reflect.DeepEqual(got[member], want) {
			t.Errorf("%s: %v, want %v", member, got[member], want)
		}
	}
	p.must(alice, "DELETE", stages+"/prod/routesettings/join", "")
	p.call(alice, "DELETE", stages+"/prod/routesettings/join", "").want(t, 404, "NotFoundException", "Unable to find Route by key join within the provided RouteSettings")
	p.must(alice, "DELETE", stages+"/prod/accesslogsettings", "")
	p.must(alice, "DELETE", stages+"/prod", "")
	p.must(alice, "DELETE", api+"/deployments/"+deployment, "")
}

func TestWebSocketAutoDeploy(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	auto := api + "/stages/auto"
	made := p.must(alice, "POST", api+"/stages", `{"stageName":"auto","autoDeploy":true}`)
	if got := made["lastDeploymentStatusMessage"]; got != "Deployment attempt failed: Unable to deploy API because no routes exist in this API" || made["deploymentId"] != nil {
		t.Errorf("nothing to deploy: %v", made)
	}
	_, route := p.route(api, "join")
	first, _ := p.must(alice, "GET", auto, "")["deploymentId"].(string)
	if d := p.must(alice, "GET", api+"/deployments/"+first, ""); d["autoDeployed"] != true {
		t.Errorf("deployment %v", d)
	}
	r := p.call(alice, "PATCH", api+"/routes/"+route, `{"operationName":"x"}`)
	second := p.must(alice, "GET", auto, "")
	if r.header.Get("x-limen-revision") == "" || second["deploymentId"] == first || second["lastDeploymentStatusMessage"] != "Successfully deployed stage with deployment ID '"+second["deploymentId"].(string)+"'" {
		t.Errorf("a change deploys: %v %v", r.header, second)
	}
	p.call(alice, "POST", api+"/deployments", `{"stageName":"auto"}`).want(t, 400, "BadRequestException", "The deployment of a stage cannot be set while its autoDeploy is on")
	p.call(alice, "PATCH", auto, `{"deploymentId":"`+first+`"}`).want(t, 400, "BadRequestException", "The deployment of a stage cannot be set while its autoDeploy is on")
	if got := p.must(alice, "PATCH", auto, `{"autoDeploy":false,"deploymentId":"`+first+`"}`)["deploymentId"]; got != first {
		t.Errorf("rolled back: %v", got)
	}
	if got := p.must(alice, "PATCH", auto, `{"autoDeploy":true}`)["deploymentId"]; got == first {
		t.Error("turning it on deploys the draft")
	}
}

func TestWebSocketDeploymentProblems(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	integration, _ := p.route(api, "join")
	p.must(alice, "POST", api+"/stages", `{"stageName":"prod","defaultRouteSettings":{"loggingLevel":"INFO"}}`)
	warnings := p.call(alice, "POST", api+"/deployments", `{"stageName":"prod"}`).header.Values("x-limen-warning")
	if want := "Stage.defaultRouteSettings loggingLevel, dataTraceEnabled and detailedMetricsEnabled is planned"; !strings.Contains(strings.Join(warnings, "\n"), want) {
		t.Errorf("warnings %q lack %q", warnings, want)
	}
	p.must(alice, "PATCH", api+"/integrations/"+integration, `{"requestTemplates":{"$default":"a\n$input.body"}}`)
	// What cannot be rendered yet is refused with its place; the list in core/snapshot shrinks as the languages are built.
	r := p.call(alice, "POST", api+"/deployments", `{}`)
	if text := (snapshot.Problem{Where: "join", Text: "requestTemplates for $default, line 2"}).String(); r.status != 201 && !strings.Contains(r.text, text) {
		t.Errorf("%d %s lacks %s", r.status, r.text, text)
	}
}

func TestWebSocketTags(t *testing.T) {
	p := newPlane(t)
	api := p.webSocket()
	p.must(alice, "POST", api+"/stages", `{"stageName":"prod"}`)
	id := api[len("/v2/apis/"):]
	for _, path := range []string{"apis/" + id, "apis/" + id + "/stages/prod"} {
		t.Run(path, func(t *testing.T) {
			target := "/v2/tags/" + url.PathEscape("arn:aws:apigateway:us-east-1::/"+path)
			p.call(alice, "POST", target, `{"tags":{"a":"1","b":"2","c":"3"}}`).same(t, 201, `{}`)
			p.call(alice, "POST", target, `{"tags":{"aws:x":"1"}}`).want(t, 400, "BadRequestException", "Invalid tag key 'aws:x': keys that begin with aws: are reserved")
			if r := p.call(alice, "DELETE", target+"?tagKeys=b,c", ""); r.status != 204 {
				t.Errorf("%d %s", r.status, r.text)
			}
			p.call(alice, "GET", target, "").same(t, 200, `{"tags":{"a":"1"}}`)
			if got := p.must(alice, "GET", "/v2/"+path, "")["tags"]; !reflect.DeepEqual(got, map[string]any{"a": "1"}) {
				t.Errorf("the thing shows %v", got)
			}
			if r := p.call(bob, "GET", target, ""); r.status != 404 {
				t.Errorf("another account: %d %s", r.status, r.text)
			}
		})
	}
	p.call(alice, "GET", "/v2/tags/"+url.PathEscape("arn:aws:apigateway:us-east-1::/vpclinks/x"), "").want(t, 400, "BadRequestException", "Invalid ARN specified in the request")
	p.call(alice, "GET", "/tags/"+url.PathEscape("arn:aws:apigateway:us-east-1::/restapis/"+id+"/stages/prod"), "").want(t, 404, "NotFoundException", "Invalid stage identifier specified")
}
