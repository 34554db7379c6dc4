package snapshot

import (
	"testing"

	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

func model(name, schema string) *apigatewayv1.Model {
	return &apigatewayv1.Model{Name: &name, Schema: &schema, ContentType: proto.String("application/json")}
}

func TestCheck_requestModels(t *testing.T) {
	models := []*apigatewayv1.Model{
		model("Good", `{"type":"object","properties":{"pet":{"$ref":"https://apigateway.amazonaws.com/restapis/a1/models/Pet"}}}`), model("Pet", `{"type":"object"}`),
		model("Odd", `{"type":"thing"}`), model("Dangling", `{"$ref":"https://apigateway.amazonaws.com/restapis/a1/models/Gone"}`), model("Text", `no`),
	}
	body := &apigatewayv1.RequestValidator{Id: proto.String("body"), ValidateRequestBody: proto.Bool(true)}
	parameters := &apigatewayv1.RequestValidator{Id: proto.String("parameters"), ValidateRequestParameters: proto.Bool(true)}
	for _, tt := range []struct{ name, validator, model, want string }{
		{"sound", "body", "Good", ""},
		{"no validator", "", "Odd", ""},
		{"a validator that leaves bodies alone", "parameters", "Odd", ""},
		{"an unknown validator", "gone", "Good", "POST /pets: the request validator gone does not exist"},
		{"not draft 4", "body", "Odd", `POST /pets: request model Odd for text/x cannot be used: model Odd at 8 (/type): not a schema: instance value ("thing") not found in enum (possible values: ["array","boolean","integer","null","number","object","string"])`},
		{"a reference that leads nowhere", "body", "Dangling", "POST /pets: request model Dangling for text/x cannot be used: model Dangling at 0: cannot refer to https://apigateway.amazonaws.com/restapis/a1/models/Gone: there is no model Gone"},
		{"not JSON", "body", "Text", "POST /pets: request model Text for text/x cannot be used: model Text: schema at 1: invalid character 'o' in literal null (expecting 'u')"},
		{"no such model", "body", "None", "POST /pets: request model None for text/x cannot be used: model None at 0: there is no such model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := open(integration("MOCK"))
			m.RequestValidatorId, m.RequestModels = &tt.validator, text("text/x", tt.model)
			d := content(map[string]*apigatewayv1.Method{"POST": m})
			d.RestApi.Id = proto.String("a1")
			d.Models, d.RequestValidators = models, []*apigatewayv1.RequestValidator{body, parameters}
			got := ""
			if problems := Check(d); len(problems) > 0 {
				got = Message(problems)
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
