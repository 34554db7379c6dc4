package event

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAppendToken(t *testing.T) {
	got := string(AppendToken(nil, `Bearer "x"`, "arn:aws:execute-api:us-east-1:111111111111:a/test/GET/r"))
	want := `{"type":"TOKEN","authorizationToken":"Bearer \"x\"","methodArn":"arn:aws:execute-api:us-east-1:111111111111:a/test/GET/r"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestAppendAuthorizer_hasEmptyObjectsAndNoBody(t *testing.T) {
	var event map[string]any
	text := AppendAuthorizer(nil, &Request{Resource: "/r", Headers: []Field{{Name: "X-a", Value: "1"}, {Name: "X-a", Value: "2"}}, Body: []byte("secret")}, "arn")
	if err := json.Unmarshal(text, &event); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"queryStringParameters", "multiValueQueryStringParameters", "pathParameters", "stageVariables"} {
		if m, ok := event[name].(map[string]any); !ok || len(m) != 0 {
			t.Errorf("%s is %v, want {}", name, event[name])
		}
	}
	if _, ok := event["body"]; ok || event["isBase64Encoded"] != nil || event["type"] != "REQUEST" || event["methodArn"] != "arn" {
		t.Errorf("event %s", text)
	}
	if got := event["headers"].(map[string]any)["X-a"]; got != "2" {
		t.Errorf("single-value header %v, want the last", got)
	}
}

func TestParseAuthorizerResult(t *testing.T) {
	const policy = `"policyDocument":{"Statement":[]}`
	tests := []struct {
		name, payload, failure string
		want                   AuthorizerResult
	}{
		{"all members", `{"principalId":"u",` + policy + `,"context":{"s":"v","n":1.50,"b":true},"usageIdentifierKey":"k"}`, "",
			AuthorizerResult{"u", `{"Statement":[]}`, []Field{{Name: "s", Value: "v"}, {Name: "n", Value: "1.50"}, {Name: "b", Value: "true"}}, "k"}},
		{"principal may be missing", `{` + policy + `}`, "", AuthorizerResult{Policy: `{"Statement":[]}`}},
		{"principal may be empty", `{"principalId":"",` + policy + `,"context":null}`, "", AuthorizerResult{Policy: `{"Statement":[]}`}},
		{"another member", `{"errorType":"x",` + policy + `}`, `unrecognized field "errorType"`, AuthorizerResult{}},
		{"context with an object", `{` + policy + `,"context":{"o":{}}}`, "context.o is not a string, number or boolean", AuthorizerResult{}},
		{"context with null", `{` + policy + `,"context":{"o":null}}`, "context.o is not a string, number or boolean", AuthorizerResult{}},
		{"context with a list", `{` + policy + `,"context":{"o":[1]}}`, "context.o is not", AuthorizerResult{}},
		{"no policy", `{"principalId":"u"}`, "policyDocument is missing", AuthorizerResult{}},
		{"policy as text", `{"policyDocument":"{}"}`, "policyDocument is missing or no object", AuthorizerResult{}},
		{"no object", `"Allow"`, "not a JSON object", AuthorizerResult{}},
		{"null", `null`, "not a JSON object", AuthorizerResult{}},
		{"no JSON", `Allow`, "not a JSON object", AuthorizerResult{}},
		{"principal is a number", `{"principalId":1,` + policy + `}`, "principalId is not a string", AuthorizerResult{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAuthorizerResult([]byte(tt.payload))
			if tt.failure != "" {
				if err == nil || !strings.Contains(err.Error(), tt.failure) {
					t.Errorf("error %v, want %s", err, tt.failure)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}
