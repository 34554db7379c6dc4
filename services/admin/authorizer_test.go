package admin_test

import (
	"strings"
	"testing"
)

const authorizerURI = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:111111111111:function:f/invocations"

func TestAuthorizer(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	all := path + "/authorizers"
	for _, tt := range []struct{ name, body, text string }{
		{"target", `{"name":"a","type":"TOKEN","authorizerUri":"https://x","identitySource":"method.request.header.A"}`, "Invalid Authorizer URI: https://x. Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation."},
		{"TTL", `{"name":"a","type":"TOKEN","authorizerUri":"` + authorizerURI + `","authorizerResultTtlInSeconds":3601}`, "Authorizer result TTL must be between 0 and 3600 seconds"},
		{"two headers for a token", `{"name":"a","type":"TOKEN","authorizerUri":"` + authorizerURI + `","identitySource":"method.request.header.A,method.request.header.B"}`, "An authorizer of type TOKEN needs exactly one identity source: method.request.header.{name}"},
		{"path parameter", `{"name":"a","type":"REQUEST","authorizerUri":"` + authorizerURI + `","identitySource":"method.request.header.A, method.request.path.id"}`, "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: method.request.path.id]"},
		{"kept answers without sources", `{"name":"a","type":"REQUEST","authorizerUri":"` + authorizerURI + `"}`, "Identity sources are required when authorizer caching is enabled"},
		{"no pools", `{"name":"a","type":"COGNITO_USER_POOLS","identitySource":"method.request.header.A"}`, "An authorizer of type COGNITO_USER_POOLS needs 1 to 1000 provider ARNs"},
		{"odd pool", `{"name":"a","type":"COGNITO_USER_POOLS","providerARNs":["x"],"identitySource":"method.request.header.A"}`, "Invalid ARN. ARN is not well formed x"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.call(alice, "POST", all, tt.body).want(t, 400, "BadRequestException", tt.text)
		})
	}
	token := `{"name":"a","type":"TOKEN","authorizerUri":"` + authorizerURI + `","identitySource":"method.request.header.A"}`
	p.call(alice, "POST", "/restapis/nosuchapi1/authorizers", token).want(t, 409, "ConflictException", "Unable to complete operation due to concurrent modification. Please try again later.")
	p.call(alice, "GET", "/restapis/nosuchapi1/authorizers", "").want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:nosuchapi1")

	r := p.call(alice, "POST", all, token)
	if r.status != 201 {
		t.Fatal(r.text)
	}
	id := r.body["id"].(string)
	shown := `{"id":"` + id + `","name":"a","type":"TOKEN","authType":"custom","authorizerUri":"` + authorizerURI + `","identitySource":"method.request.header.A","authorizerResultTtlInSeconds":300}`
	r.same(t, 201, shown)
	p.call(alice, "POST", all, token).want(t, 400, "BadRequestException", "Authorizer name must be unique. Authorizer a already exists in this RestApi.")
	p.patch(all+"/"+id, "replace", "/authorizerResultTtlInSeconds", "0").same(t, 200, strings.Replace(shown, ":300", ":0", 1))
	p.patch(all+"/"+id, "remove", "/name", "a").want(t, 400, "BadRequestException", "Invalid patch operation specified. Must be one of: [replace]")
	p.patch(all+"/nosuch", "replace", "/name", "b").want(t, 404, "NotFoundException", "Invalid Authorizer identifier specified")

	pools := p.must(alice, "POST", all, `{"name":"c","type":"COGNITO_USER_POOLS","providerARNs":["arn:aws:cognito-idp:us-east-1:111111111111:userpool/us-east-1_x"],"identitySource":"method.request.header.A","authorizerCredentials":"arn:aws:iam::111111111111:role/r"}`)
	if pools["authType"] != "cognito_user_pools" || pools["authorizerCredentials"] != nil {
		t.Errorf("user pools: %v", pools)
	}

	method := path + "/resources/" + p.must(alice, "GET", path, "")["rootResourceId"].(string) + "/methods/GET"
	body := `{"patchOperations":[{"op":"replace","path":"/authorizationType","value":"CUSTOM"},{"op":"replace","path":"/authorizerId","value":"` + id + `"}]}`
	if r := p.call(alice, "PATCH", method, body); r.status != 200 {
		t.Fatal(r.text)
	}
	p.call(alice, "DELETE", all+"/"+id, "").want(t, 409, "ConflictException", "Cannot delete authorizer '"+id+"', is referenced in method: //GET")
	change := `{"patchOperations":[{"op":"replace","path":"/type","value":"COGNITO_USER_POOLS"},{"op":"add","path":"/providerARNs","value":"arn:aws:cognito-idp:us-east-1:111111111111:userpool/us-east-1_x"}]}`
	p.call(alice, "PATCH", all+"/"+id, change).want(t, 409, "ConflictException", "Cannot change the type of authorizer '"+id+"', is referenced in method: //GET")
	p.patch(method, "replace", "/authorizationType", "NONE")
	if r := p.call(alice, "DELETE", all+"/"+id, ""); r.status != 202 {
		t.Errorf("deleted: %d %s", r.status, r.text)
	}
	if items := p.must(alice, "GET", all, "")["item"].([]any); len(items) != 1 {
		t.Errorf("left: %v", items)
	}
}
