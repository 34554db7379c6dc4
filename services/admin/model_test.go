package admin_test

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestModel(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	api := strings.TrimPrefix(path, "/restapis/")
	root := p.must(alice, "GET", path, "")["rootResourceId"].(string)
	create := func(name, schema string) reply {
		body, _ := json.Marshal(map[string]string{"name": name, "contentType": "application/json", "description": "", "schema": schema})
		return p.call(alice, "POST", path+"/models", string(body))
	}
	for _, tt := range []struct {
		name, model, schema string
		status              int
		exception, text     string
	}{
		{"no name", "", `{}`, 400, "BadRequestException", "Model name must be non-empty"},
		{"odd name", "a-b", `{}`, 400, "BadRequestException", "Model name must be alphanumeric: a-b"},
		{"no schema", "A", "", 400, "BadRequestException", "Model schema must have at least 1 property or array items defined"},
		{"no JSON", "A", "{", 400, "BadRequestException", "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]"},
		{"reference elsewhere", "A", `{"properties":{"default":{"$ref":"http://example.com/x"}}}`, 400, "BadRequestException", "Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. Model reference must be in canonical form]"},
		{"taken", "Empty", `{"type":"object"}`, 409, "ConflictException", "Model name already exists for this REST API"},
	} {
		t.Run(tt.name, func(t *testing.T) { create(tt.model, tt.schema).want(t, tt.status, tt.exception, tt.text) })
	}
	p.call(alice, "POST", "/restapis/nosuchapi1/models", `{"name":"A","contentType":"application/json","schema":"{}"}`).want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:nosuchapi1")

	r := create("Pet", `{"type":"object"}`)
	if _, shown := r.body["description"]; r.status != 201 || shown || len(r.body["id"].(string)) != 6 {
		t.Errorf("created %d %s", r.status, r.text)
	}
	p.patch(path+"/models/Pet", "replace", "/schema", "").want(t, 400, "BadRequestException", "Model schema must have at least 1 property or array items defined")
	p.patch(path+"/models/Pet", "replace", "/name", "x").want(t, 400, "BadRequestException", "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]")
	p.patch("/restapis/nosuchapi1/models/Pet", "replace", "/schema", "{}").want(t, 404, "NotFoundException", "Invalid model name specified: Pet")

	method := path + "/resources/" + root + "/methods/GET"
	if r := p.patch(method, "add", "/requestModels/application~1json", "Pet"); r.status != 200 {
		t.Fatal(r.text)
	}
	p.call(alice, "DELETE", path+"/models/Pet", "").want(t, 409, "ConflictException", "Cannot delete model 'Pet', is referenced in method request: //GET")
	p.patch(method, "remove", "/requestModels/application~1json", "Pet")
	if r := p.call(alice, "DELETE", path+"/models/Pet", ""); r.status != 202 {
		t.Errorf("deleted: %d %s", r.status, r.text)
	}
	p.call(alice, "GET", path+"/models/Pet", "").want(t, 404, "NotFoundException", "Invalid model name specified: Pet")

	ref := func(name string) string {
		return `{"$ref":"https://apigateway.amazonaws.com/restapis/` + api + `/models/` + name + `"}`
	}
	create("List", `{"definitions":{"Node":{"type":"null"}},"items":{"anyOf":[`+ref("Node")+`,{"$ref":"#/definitions/Node"}]}}`)
	create("Node", `{"definitions":{"n":{"maximum":12345678901234567890}},"properties":{"next":`+ref("Node")+`,"list":`+ref("List")+`,"n":{"$ref":"#/definitions/n"}}}`)
	got := p.must(alice, "GET", path+"/models/List?flatten=true", "")["schema"].(string)
	const want = `{"definitions":{"Node":{"type":"null"},"Node_":{"definitions":{"n":{"maximum":12345678901234567890}},"properties":{"list":{"$ref":"#"},"n":{"$ref":"#/definitions/Node_/definitions/n"},"next":{"$ref":"#/definitions/Node_"}}}},"items":{"anyOf":[{"$ref":"#/definitions/Node_"},{"$ref":"#/definitions/Node"}]}}`
	if got != want {
		t.Errorf("flattened\n%s, want\n%s", got, want)
	}
}

func TestRequestValidator(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	v := p.must(alice, "POST", path+"/requestvalidators", `{"name":"v","validateRequestBody":true}`)
	id := v["id"].(string)
	one := path + "/requestvalidators/" + id
	p.call(alice, "GET", one, "").same(t, 200, `{"id":"`+id+`","name":"v","validateRequestBody":true,"validateRequestParameters":false}`)
	p.patch(one, "replace", "/validateRequestBody", "nonsense").same(t, 200, `{"id":"`+id+`","name":"v","validateRequestBody":false,"validateRequestParameters":false}`)
	p.patch(one, "replace", "/name", " ").want(t, 400, "BadRequestException", "Request Validator name cannot be blank")
	p.patch(one, "add", "/name", "x").want(t, 400, "BadRequestException", "Invalid patch path  '/name' specified for op 'add'. Please choose supported operations")
	p.call(alice, "POST", "/restapis/nosuchapi1/requestvalidators", `{"name":"v"}`).want(t, 400, "BadRequestException", "Invalid REST API identifier specified")
	p.call(alice, "GET", "/restapis/nosuchapi1/requestvalidators/abc", "").want(t, 404, "NotFoundException", "Invalid Request Validator identifier specified")

	root := p.must(alice, "GET", path, "")["rootResourceId"].(string)
	method := path + "/resources/" + root + "/methods/GET"
	p.patch(method, "replace", "/requestValidatorId", "nosuch").want(t, 400, "BadRequestException", "Invalid Request Validator identifier specified")
	p.patch(method, "replace", "/requestValidatorId", id)
	p.call(alice, "DELETE", one, "").want(t, 409, "ConflictException", "Cannot delete request validator '"+id+"', is referenced in method: //GET")
	p.patch(method, "replace", "/requestValidatorId", "")
	if r := p.call(alice, "DELETE", one, ""); r.status != 202 {
		t.Errorf("deleted: %d %s", r.status, r.text)
	}
	p.call(alice, "DELETE", one, "").want(t, 404, "NotFoundException", "Invalid Request Validator identifier specified")
}

func TestDeployment_refusesRequestModelsThatDoNotCompile(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	method := path + "/resources/" + p.must(alice, "GET", path, "")["rootResourceId"].(string) + "/methods/GET"
	id := p.must(alice, "POST", path+"/requestvalidators", `{"name":"v","validateRequestBody":true}`)["id"].(string)
	p.must(alice, "POST", path+"/models", `{"name":"Odd","contentType":"application/json","schema":"{\"minimum\":\"x\"}"}`)
	p.patch(method, "add", "/requestModels/application~1json", "Odd")
	p.must(alice, "POST", path+"/deployments", `{}`) // no body is checked against the model yet
	p.patch(method, "replace", "/requestValidatorId", id)
	p.call(alice, "POST", path+"/deployments", `{}`).want(t, 400, "BadRequestException",
		`GET /: request model Odd for application/json cannot be used: model Odd at 11 (/minimum): not a schema: instance type (string) does not match any allowed primitive type (allowed: ["number"])`)
}
