package admin_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

const petsJSON = `{"openapi":"3.0.1","info":{"title":"pets","version":1,"description":"All about pets"},
"x-amazon-apigateway-request-validators":{"all":{"validateRequestBody":true,"validateRequestParameters":true}},
"x-amazon-apigateway-request-validator":"all",
"x-amazon-apigateway-binary-media-types":["image/png"],
"x-amazon-apigateway-gateway-responses":{"DEFAULT_4XX":{"responseParameters":{"gatewayresponse.header.X":"'1'"}}},
"paths":{"/pets/{petId}":{
 "get":{"operationId":"getPet","security":[{"api_key":[]}],"parameters":[{"name":"q","in":"query"}],
  "responses":{"200":{"headers":{"X-A":{"schema":{"type":"string"}}},"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Pet"}}}}},
  "x-amazon-apigateway-integration":{"type":"http","httpMethod":"GET","uri":"http://127.0.0.1/{id}",
   "requestParameters":{"integration.request.path.id":"method.request.path.petId"},
   "responses":{"default":{"statusCode":200,"responseTemplates":{"application/json":"$input.json('$')"}},"5\\d\\d":{"statusCode":"502"}}}},
 "x-amazon-apigateway-any-method":{"security":[{"auth":[]}],"requestBody":{"content":{"application/json":{"schema":{"type":"array","items":{"$ref":"#/components/schemas/Pet"}}}}},
  "responses":{},"x-amazon-apigateway-integration":{"type":"mock"}}}},
"components":{"schemas":{"Pet":{"type":"object","nullable":true,"properties":{"friend":{"$ref":"#/components/schemas/Pet"},"example":{"type":"string"}}}},
 "securitySchemes":{"api_key":{"type":"apiKey","in":"header","name":"x-api-key"},
  "auth":{"type":"apiKey","in":"header","name":"Authorization","x-amazon-apigateway-authtype":"custom",
   "x-amazon-apigateway-authorizer":{"type":"token","authorizerUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:${AWS::AccountId}:function:f/invocations"}}}}}`

// import imports a document and returns the answer and the API's path.
func (p *plane) imported(document, query string) (map[string]any, string) {
	p.t.Helper()
	api := p.must(alice, "POST", "/restapis?mode=import"+query, document)
	return api, "/restapis/" + api["id"].(string)
}

// routes reads all resources with their methods, by path.
func (p *plane) routes(api string) map[string]map[string]any {
	p.t.Helper()
	out := map[string]map[string]any{}
	for _, item := range p.must(alice, "GET", api+"/resources?embed=methods&limit=500", "")["item"].([]any) {
		r := item.(map[string]any)
		out[r["path"].(string)] = r
	}
	return out
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestImport(t *testing.T) {
	p := newPlane(t)
	api, path := p.imported(petsJSON, "&endpointConfigurationTypes=REGIONAL&failonwarnings=true")
	want := map[string]any{"name": "pets", "version": "1", "description": "All about pets", "apiKeySource": "HEADER"}
	for k, v := range want {
		if api[k] != v {
			t.Errorf("%s is %v, want %v", k, api[k], v)
		}
	}
	if got := jsonOf(t, api["endpointConfiguration"]); got != `{"ipAddressType":"ipv4","types":["REGIONAL"]}` {
		t.Errorf("endpoint %s", got)
	}
	if api["createdDate"] == nil || api["warnings"] != nil {
		t.Errorf("answer %v", api)
	}
	routes := p.routes(path)
	if len(routes) != 3 {
		t.Fatalf("resources %v", routes)
	}
	methods := routes["/pets/{petId}"]["resourceMethods"].(map[string]any)
	get, anyMethod := methods["GET"].(map[string]any), methods["ANY"].(map[string]any)
	validator := get["requestValidatorId"]
	if validator == nil || validator == "all" {
		t.Errorf("validator %v", validator)
	}
	delete(get, "requestValidatorId")
	wantGet := `{"apiKeyRequired":true,"authorizationType":"NONE","httpMethod":"GET","methodIntegration":{"cacheKeyParameters":[],` +
		`"cacheNamespace":"` + routes["/pets/{petId}"]["id"].(string) + `","connectionType":"INTERNET","httpMethod":"GET","integrationResponses":{` +
		`"200":{"responseTemplates":{"application/json":"$input.json('$')"},"statusCode":"200"},"502":{"selectionPattern":"5\\d\\d","statusCode":"502"}},` +
		`"passthroughBehavior":"WHEN_NO_MATCH","requestParameters":{"integration.request.path.id":"method.request.path.petId"},"timeoutInMillis":29000,` +
		`"type":"HTTP","uri":"http://127.0.0.1/{id}"},"methodResponses":{"200":{"responseModels":{"application/json":"Pet"},` +
		`"responseParameters":{"method.response.header.X-A":false},"statusCode":"200"}},"operationName":"getPet",` +
		`"requestParameters":{"method.request.path.petId":true,"method.request.querystring.q":false}}`
	if got := jsonOf(t, get); got != wantGet {
		t.Errorf("GET is\n%s\nwant\n%s", got, wantGet)
	}
	if anyMethod["authorizationType"] != "CUSTOM" || anyMethod["authorizerId"] == "auth" || jsonOf(t, anyMethod["requestModels"]) != `{"application/json":"ArrayOfPet"}` {
		t.Errorf("ANY is %s", jsonOf(t, anyMethod))
	}
}

const putDocument = `{"swagger":"2.0","info":{"title":"new name","version":"2"},"paths":{
"/pets/{petId}":{"get":{"responses":{},"x-amazon-apigateway-integration":{"type":"mock"}}},
"/cats":{"get":{"responses":{},"x-amazon-apigateway-integration":{"type":"mock"}}}}}`

func TestPutMerges(t *testing.T) {
	p := newPlane(t)
	_, path := p.imported(petsJSON, "")
	before := p.routes(path)
	api := p.must(alice, "PUT", path, strings.Replace(putDocument, `"paths"`, `"x-amazon-apigateway-binary-media-types":["image/png","image/gif"],"paths"`, 1))
	if got := jsonOf(t, api["binaryMediaTypes"]); got != `["image/png","image/gif"]` {
		t.Errorf("media types %s", got)
	}
	if api["name"] != "new name" || api["version"] != "2" || api["description"] != "All about pets" || api["createdDate"] == nil || api["endpointConfiguration"] == nil {
		t.Errorf("answer %v", api)
	}
	after := p.routes(path)
	if len(after) != 4 || after["/pets/{petId}"]["id"] != before["/pets/{petId}"]["id"] {
		t.Errorf("resources %v", after)
	}
	methods := after["/pets/{petId}"]["resourceMethods"].(map[string]any)
	get := methods["GET"].(map[string]any)
	if get["methodIntegration"].(map[string]any)["type"] != "MOCK" || get["operationName"] != nil {
		t.Errorf("a method is replaced as a whole: %v", get)
	}
	if !reflect.DeepEqual(methods["ANY"], before["/pets/{petId}"]["resourceMethods"].(map[string]any)["ANY"]) {
		t.Errorf("a method that the document does not have changed: %v", methods["ANY"])
	}
}

func TestPutOverwrites(t *testing.T) {
	p := newPlane(t)
	_, path := p.imported(petsJSON, "&endpointConfigurationTypes=REGIONAL")
	before := p.routes(path)
	api := p.must(alice, "PUT", path+"?mode=overwrite", putDocument)
	if api["name"] != "new name" || api["description"] != nil || api["binaryMediaTypes"] != nil || jsonOf(t, api["tags"]) != "{}" {
		t.Errorf("answer %v", api)
	}
	if got := jsonOf(t, api["endpointConfiguration"]); got != `{"ipAddressType":"ipv4","types":["REGIONAL"]}` {
		t.Errorf("endpoint %s", got)
	}
	after := p.routes(path)
	if len(after) != 4 || after["/"]["id"] != before["/"]["id"] || after["/pets/{petId}"]["id"] != before["/pets/{petId}"]["id"] {
		t.Errorf("resources %v", after)
	}
	if methods := after["/pets/{petId}"]["resourceMethods"].(map[string]any); len(methods) != 1 {
		t.Errorf("methods %v", methods)
	}
	again := p.routes(path)
	p.must(alice, "PUT", path+"?mode=overwrite", putDocument)
	if !reflect.DeepEqual(again, p.routes(path)) {
		t.Error("the same document again changes the API")
	}
}

func TestImportFaults(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	before := p.routes(path)
	document := func(paths string) string {
		return `{"swagger":"2.0","info":{"title":"a","version":"1"},"paths":{` + paths + `}}`
	}
	tests := []struct{ name, document, want string }{
		{"path part", document(`"/:v@":{}`), "Errors found during import:\nUnable to create resource at path '/:v@': Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end."},
		{"integration", document(`"/x":{"get":{"x-amazon-apigateway-integration":{"type":"aws","httpMethod":"POST","uri":"arn:aws:apigateway:us-east-1:lambda:nothing"}}}`),
			"Errors found during import:\nUnable to put integration on 'GET' for resource at path '/x': AWS ARN for integration must contain path or action"},
		{"all of them", document(`"/{a}":{},"/{b}/c":{},"/{b}/d":{},"/{p+}":{"get":{"x-amazon-apigateway-request-validator":"v","responses":{}}},"/q":{"get":{"x-amazon-apigateway-integration":{"type":"nope"}}}`),
			"Errors found during import:\nUnable to create resource at path '/{b}': A sibling ({a}) of this resource already has a variable path part -- only one is allowed\n" +
				"Unable to create resource at path '/{p+}': A sibling ({a}) of this resource already has a variable path part -- only one is allowed\n" +
				"Unable to put integration on 'GET' for resource at path '/q': Invalid IntegrationType specified. Valid options are HTTP,AWS,MOCK,HTTP_PROXY,AWS_PROXY"},
		{"greedy", document(`"/{p+}/x":{}`), "Errors found during import:\nUnable to create resource at path '/{p+}/x': Cannot create a child of a resource with a greedy path variable: {p+}"},
		{"validator", document(`"/":{"get":{"x-amazon-apigateway-request-validator":"v","responses":{}}}`),
			"Errors found during import:\nUnable to put method 'GET' on resource at path '/': Invalid Request Validator identifier specified"},
		{"garbage", `{'key:value}`, "Invalid OpenAPI input."},
		{"nothing", ``, "Invalid OpenAPI input."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.call(alice, "POST", "/restapis?mode=import", tt.document).want(t, 400, "BadRequestException", tt.want)
			p.call(alice, "PUT", path+"?mode=overwrite", tt.document).want(t, 400, "BadRequestException", tt.want)
			p.call(alice, "PUT", path, tt.document).want(t, 400, "BadRequestException", tt.want)
		})
	}
	if apis := p.must(alice, "GET", "/restapis", "")["item"].([]any); len(apis) != 1 {
		t.Errorf("a refused import left %d APIs", len(apis))
	}
	if !reflect.DeepEqual(before, p.routes(path)) {
		t.Error("a refused document changed the API")
	}
	p.call(alice, "PUT", "/restapis/nothere", putDocument).want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:nothere")
	p.call(alice, "PUT", path+"?basepath=x", putDocument).want(t, 400, "BadRequestException", "Invalid basepath 'x' specified. Valid options are ignore,prepend,split")
}

func TestFailOnWarnings(t *testing.T) {
	p := newPlane(t)
	document := `{"openapi":"3.0.1","info":{"title":"a"},"x-amazon-apigateway-cors":{},"paths":{"/t":{"get":{"x-amazon-apigateway-integration":{"type":"mock","requestParameters":{"integration.request.header.nothing":true}}}}}}`
	warnings := []string{
		"Invalid format for 'requestParameters'. Expected type string for property 'integration.request.header.nothing' of resource '/t' and method 'GET' but got 'true'",
		"Unknown extension 'x-amazon-apigateway-cors' is ignored",
	}
	p.call(alice, "POST", "/restapis?mode=import&failonwarnings=true", document).want(t, 400, "BadRequestException", "Warnings found during import:\n"+strings.Join(warnings, "\n"))
	if apis := p.must(alice, "GET", "/restapis", "")["item"].([]any); len(apis) != 0 {
		t.Errorf("a refused import left %d APIs", len(apis))
	}
	api, _ := p.imported(document, "")
	if got := jsonOf(t, api["warnings"]); got != jsonOf(t, warnings) {
		t.Errorf("warnings %s", got)
	}
}

// routesDocument is a document of many routes, with templates of so many bytes altogether.
func routesDocument(title string, routes, bytes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"openapi":"3.0.1","info":{"title":%q,"version":"1"},"paths":{`, title)
	for i := range routes {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"/r%d/{id}":{"get":{"responses":{"200":{}},"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"%s %s"}}}}`,
			i, title, strings.Repeat("x", bytes/routes))
	}
	b.WriteString("}}")
	return b.String()
}
