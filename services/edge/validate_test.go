package edge

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// validated adds the models and the validators of these tests: params, body, and both.
func validated(d *snapshotv1.Deployment) {
	for name, text := range map[string]string{
		"Pet": `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["name","kind"],
			"properties":{"name":{"type":"string","maxLength":5},"kind":{"enum":["cat","dog"]},"owner":{"$ref":"https://apigateway.amazonaws.com/restapis/` + apiID + `/models/Owner"}}}`,
		"Owner": `{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}`,
		"Empty": `{"type":"object"}`,
	} {
		d.Models = append(d.Models, &apigatewayv1.Model{Name: proto.String(name), Schema: proto.String(text), ContentType: proto.String("application/json")})
	}
	for i, id := range []string{"none", "params", "body", "both"} {
		d.RequestValidators = append(d.RequestValidators, &apigatewayv1.RequestValidator{Id: proto.String(id), ValidateRequestParameters: proto.Bool(i&1 > 0), ValidateRequestBody: proto.Bool(i&2 > 0)})
	}
}

func checked(m *apigatewayv1.Method, validator string, models map[string]string, parameters ...string) *apigatewayv1.Method {
	m.RequestValidatorId, m.RequestModels = proto.String(validator), str(models)
	m.RequestParameters = &apigatewayv1.BoolMap{Entries: map[string]bool{}}
	for _, p := range parameters {
		name, optional := strings.CutSuffix(p, "?")
		m.RequestParameters.Entries["method.request."+name] = !optional
	}
	return m
}

func fine() *apigatewayv1.Method {
	in := mock("")
	in.RequestTemplates = str(map[string]string{"$default": `{"statusCode": 200}`})
	return withResponses(in, response("200", "", nil, map[string]string{"application/json": "fine"}))
}

func TestValidate(t *testing.T) {
	addr, seen := rawBackend(t, func(*seenRequest) string { return ok })
	w := start(t, Deps{Functions: invoker(func(string, []byte) (functions.Result, error) {
		return functions.Result{Status: 200, Payload: []byte(`{"statusCode":200,"body":"fine"}`)}, nil
	})})
	petJSON := map[string]string{"application/json": "Pet"}
	parameters := []string{"querystring.qs1", "path.issuer", "header.x-header-param", "header.opt?"}
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(validated,
		method{"/all", "GET", checked(fine(), "params", nil, parameters...)},
		method{"/by/{issuer}", "GET", checked(fine(), "params", nil, parameters...)},
		method{"/many", "GET", checked(fine(), "params", nil, "header.b", "header.a", "querystring.d", "querystring.c")},
		method{"/unvalidated", "GET", checked(fine(), "", petJSON, parameters...)},
		method{"/nothing", "GET", checked(fine(), "none", petJSON, parameters...)},
		method{"/onlyparams", "GET", checked(fine(), "params", petJSON)},
		method{"/onlybody", "GET", checked(fine(), "body", nil, parameters...)},
		method{"/both", "GET", checked(fine(), "both", petJSON, "header.a")},
		method{"/pets", "ANY", checked(fine(), "body", petJSON)},
		method{"/default", "POST", checked(fine(), "body", map[string]string{"application/json": "Empty", "$default": "Pet"})},
		method{"/odd", "POST", checked(fine(), "body", map[string]string{"text/odd": "Pet"})},
		method{"/empty", "POST", checked(fine(), "body", map[string]string{"application/json": "Empty"})},
		method{"/proxy", "POST", checked(of(proxyTo("http://"+addr, nil)), "both", petJSON, "querystring.q")},
		method{"/lambda", "POST", checked(of(lambda("f")), "body", petJSON)},
	)})
	const invalid = `{"message": "Invalid request body"}`
	missing := func(names string) string {
		return `{"message": "Missing required request parameters: [` + names + `]"}`
	}
	params := func(names string) string {
		return "Missing required request parameters: " + names + "; they must be there, in this spelling, and not blank."
	}
	pet := func(contentType, why string) string {
		return "Invalid request body: it does not match model Pet, which is checked for content type " + contentType + ": " + why + "."
	}
	const required, empty = `object has missing required properties (["kind","name"])`, "the body is empty"
	tests := []struct {
		name, request, headers, body, want string
		explain                            string
	}{
		{"headers, path, query", "GET /all", "", "", missing("x-header-param, issuer, qs1"), params("x-header-param, issuer, qs1")},
		{"a path parameter the resource lacks is always missing", "GET /all?qs1=1&issuer=2", "x-header-param: 1", "", missing("issuer"), params("issuer")},
		{"all there", "GET /by/me?qs1=1", "x-header-param: 1", "", "fine", ""},
		{"several of a place by name", "GET /many", "", "", missing("a, b, c, d"), params("a, b, c, d")},
		{"blank is missing", "GET /by/%20?qs1=+", "x-header-param: ", "", missing("x-header-param, issuer, qs1"), params("x-header-param, issuer, qs1")},
		{"no value is missing", "GET /by/me?qs1", "x-header-param: 1", "", missing("qs1"), params("qs1")},
		{"names are case-sensitive", "GET /by/me?QS1=1", "X-Header-Param: 1", "", missing("x-header-param, qs1"), params("x-header-param, qs1")},
		{"the last value counts", "GET /by/me?qs1=&qs1=1", "x-header-param: 1", "", "fine", ""},
		{"nothing without a validator", "GET /unvalidated", "", "", "fine", ""},
		{"nothing with a validator of nothing", "GET /nothing", "", "", "fine", ""},
		{"a validator of parameters leaves bodies alone", "GET /onlyparams", "", "no", "fine", ""},
		{"a validator of bodies leaves parameters alone", "GET /onlybody", "", "", "fine", ""},
		{"parameters come first", "GET /both", "", "no", missing("a"), params("a")},
		{"then the body", "GET /both", "a: 1", "{}", invalid, pet("application/json", required)},

		{"valid", "POST /pets", "", `{"name":"Rex","kind":"dog","owner":{"id":1}}`, "fine", ""},
		{"missing members", "POST /pets", "", `{}`, invalid, pet("application/json", required)},
		{"no body", "GET /pets", "", "", invalid, pet("application/json", empty)},
		{"not JSON", "POST /pets", "", `{"name"`, invalid, pet("application/json", "invalid JSON at 7: unexpected end")},
		{"a model refers to another", "POST /pets", "", `{"name":"Rex","kind":"dog","owner":{}}`, invalid, pet("application/json", `object has missing required properties (["id"]) at /owner`)},
		{"values stay out of the record", "POST /pets", "", `{"name":"secret","kind":"secret"}`, invalid, pet("application/json", "value does not satisfy enum at /kind; value does not satisfy maxLength at /name")},
		{"parameters of the content type do not count", "POST /pets", "Content-Type: application/json; charset=utf-8", `{}`, invalid, pet("application/json", required)},
		{"no model for the content type", "POST /pets", "content-type: text/plain", "no", "fine", ""},
		{"$default takes the others", "POST /default", "Content-Type: text/plain", `{}`, invalid, pet("text/plain", required)},
		{"the own model comes before $default", "POST /default", "Content-Type: application/json", `{}`, "fine", ""},
		{"no content type is JSON", "POST /default", "", `{}`, "fine", ""},
		{"a body is JSON whatever its type", "POST /odd", "Content-Type: text/odd", `{"name":"Rex","kind":"dog"}`, "fine", ""},
		{"an empty body is an empty object", "POST /empty", "", "", "fine", ""},

		{"an HTTP proxy, its parameter", "POST /proxy", "", `{"name":"Rex","kind":"dog"}`, missing("q"), params("q")},
		{"an HTTP proxy, its body", "POST /proxy?q=1", "", `{}`, invalid, pet("application/json", required)},
		{"an HTTP proxy, valid", "POST /proxy?q=1", "", `{"name":"Rex","kind":"dog"}`, "ok", ""},
		{"a Lambda proxy", "POST /lambda", "", `{}`, invalid, pet("application/json", required)},
		{"a Lambda proxy, valid", "POST /lambda", "", `{"name":"Rex","kind":"dog"}`, "fine", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			verb, path, _ := strings.Cut(tt.request, " ")
			a := w.send(fmt.Sprintf("%s /prod%s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", verb, path, apiHost, orHost(tt.headers), len(tt.body), tt.body))
			status, kind := 200, ""
			if tt.explain != "" {
				status, kind = 400, "BadRequestException"
			}
			if a.status != status || a.body != tt.want || a.header("x-amzn-ErrorType") != kind {
				t.Errorf("%+v, want %d %s", a, status, tt.want)
			}
			if got := w.explain(a); tt.explain != "" && got != tt.explain {
				t.Errorf("explained as\n%s\nwant\n%s", got, tt.explain)
			}
		})
	}
	w.t = t
	if len(seen) != 1 {
		t.Errorf("the backend saw %d requests, want the valid one", len(seen))
	}
	if strings.Contains(w.log.String(), "secret") {
		t.Error("a value of a body was logged")
	}
}

// orHost gives a request without headers of its own one that changes nothing.
func orHost(headers string) string {
	if headers == "" {
		return "Accept: */*"
	}
	return headers
}

func TestValidate_gatewayResponsesTellWhatFailed(t *testing.T) {
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(func(d *snapshotv1.Deployment) {
		validated(d)
		d.GatewayResponses = []*apigatewayv1.GatewayResponse{
			{ResponseType: proto.String("BAD_REQUEST_BODY"), StatusCode: proto.String("422"), ResponseTemplates: str(map[string]string{
				"application/json": `$context.error.responseType|$context.error.message|$context.error.validationErrorString`})},
			{ResponseType: proto.String("BAD_REQUEST_PARAMETERS"), ResponseTemplates: str(map[string]string{"application/json": `{"no":$context.error.messageString}`})},
		}
	}, method{"/pets", "POST", checked(fine(), "both", map[string]string{"application/json": "Pet"}, "querystring.q")})})
	for _, tt := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"", "", 400, `{"no":"Missing required request parameters: [q]"}`},
		{"?q=1", "", 422, `BAD_REQUEST_BODY|Invalid request body|[Unknown error parsing request body]`},
		{"?q=1", `{}`, 422, `BAD_REQUEST_BODY|Invalid request body|[object has missing required properties (["kind","name"])]`},
		{"?q=1", `{"name":"long name","kind":"cow"}`, 422, `BAD_REQUEST_BODY|Invalid request body|[instance value ("cow") not found in enum (possible values: ["cat","dog"]), string "long name" is too long (length: 9, maximum allowed: 5)]`},
	} {
		a := w.send(fmt.Sprintf("POST /prod/pets%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", tt.query, apiHost, len(tt.body), tt.body))
		if a.status != tt.status || a.body != tt.want {
			t.Errorf("%+v, want %s", a, tt.want)
		}
	}
}

func TestValidate_whatDoesNotCompileKeepsTheLastGoodPlan(t *testing.T) {
	publishPet := func(w *world, validator, model string) {
		publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(func(d *snapshotv1.Deployment) {
			validated(d)
			d.Models = append(d.Models, &apigatewayv1.Model{Name: proto.String("Broken"), Schema: proto.String(`{"type":"thing"}`)})
		}, method{"/pets", "POST", checked(fine(), validator, map[string]string{"application/json": model})})})
	}
	w := start(t, Deps{})
	for _, tt := range []struct{ name, validator, model, want string }{
		{"a model", "body", "Broken", "POST /pets: request model Broken for application/json cannot be used: model Broken at 8 (/type): not a schema"},
		{"a model that does not exist", "body", "Gone", "POST /pets: request model Gone for application/json cannot be used: model Gone at 0: there is no such model"},
		{"a validator", "gone", "Pet", "POST /pets: the request validator gone does not exist"},
		{"a broken model that nothing is checked against", "params", "Broken", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t = t
			publishPet(w, "body", "Pet")
			publishPet(w, tt.validator, tt.model)
			a := w.send("POST /prod/pets HTTP/1.1\r\nHost: " + apiHost + "\r\nContent-Length: 2\r\n\r\n{}")
			if kept := a.status == 400; kept != (tt.want != "") {
				t.Errorf("%+v", a)
			}
			if r := w.edge.Report()[0]; !strings.HasPrefix(r.GetError(), tt.want) || (tt.want == "") != (r.GetError() == "") || r.GetDeploymentHash() == "" {
				t.Errorf("%v", r)
			}
		})
	}
}
