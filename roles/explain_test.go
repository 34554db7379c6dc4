package roles

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// refusing is an API with a path for each way to be refused; %s are functions.
const refusing = `{"openapi":"3.0.1","info":{"title":"r","version":"1"},"paths":{"/open":{"get":{%[1]s}},"/limited":{"get":{%[1]s}},
	"/keyed":{"get":{"security":[{"key":[]}],%[1]s}},"/guarded":{"get":{"security":[{"good":[]}],%[1]s}},
	"/broken":{"get":{"security":[{"broken":[]}],%[1]s}},"/gone":{"get":{"security":[{"gone":[]}],%[1]s}}},
	"components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-api-key"},"good":%[2]s,"broken":%[3]s,"gone":%[4]s}}}`

func refusingDocument(account string) string {
	mock := `"responses":{"200":{"description":"ok"}},"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 200}"},"responses":{"default":{"statusCode":"200"}}}`
	by := func(function string) string {
		return `{"type":"apiKey","in":"header","name":"Authorization","x-amazon-apigateway-authtype":"custom","x-amazon-apigateway-authorizer":{"type":"token",
			"identityValidationExpression":"^Bearer .*$","authorizerUri":"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:` + account + `:function:` + function + `/invocations"}}`
	}
	return fmt.Sprintf(refusing, mock, by("authorizer"), by("malformed"), by("nothing"))
}

// sell makes a key and, where limits are given, a plan of its own for the stage live.
func (w *whole) sell(api, limits string) (value string) {
	w.t.Helper()
	key := w.call("POST", "/apikeys", `{"enabled":true}`)
	if limits != "" {
		plan := w.call("POST", "/usageplans", `{"name":"p",`+strings.ReplaceAll(limits, "API", api)+`}`)["id"].(string)
		w.call("POST", "/usageplans/"+plan+"/keys", `{"keyId":"`+key["id"].(string)+`","keyType":"API_KEY"}`)
	}
	return key["value"].(string)
}

// refusal calls a path so many times and then once more, and returns that answer's status and the first line of its
// explanation.
func (w *whole) refusal(api, path, key, token string, before int) (status int, why string) {
	w.t.Helper()
	var id string
	for range before + 1 {
		req, err := http.NewRequest(http.MethodGet, w.url+"/_aws/execute-api/"+api+"/live"+path, nil)
		if err != nil {
			w.t.Fatal(err)
		}
		for name, value := range map[string]string{"x-api-key": key, "Authorization": token} {
			if value != "" {
				req.Header.Set(name, value)
			}
		}
		res, err := w.http.Do(req)
		if err != nil {
			w.t.Fatal(err)
		}
		_ = res.Body.Close()
		status, id = res.StatusCode, res.Header.Get("x-amzn-RequestId")
	}
	text, _ := w.call("GET", "/_limen/v1/explain/"+id, "")["text"].(string)
	why, _, _ = strings.Cut(text, "\n")
	return status, why
}

// TestExplainNamesTheCause: the first line of an explanation says who refused a request and why, for each of those who may.
func TestExplainNamesTheCause(t *testing.T) {
	w, _ := startWholeWith(t, Config{DataDir: filepath.Join(t.TempDir(), "data"), Edge: EdgeConfig{AccountRate: 0.001, AccountBurst: 100}})
	api := w.call("POST", "/restapis?mode=import", refusingDocument(w.key.Account))["id"].(string)
	w.call("POST", "/restapis/"+api+"/deployments", `{"stageName":"live"}`)
	w.call("PATCH", "/restapis/"+api+"/stages/live", `{"patchOperations":[{"op":"replace","path":"/~1limited/GET/throttling/rateLimit","value":"0.001"},
		{"op":"replace","path":"/~1limited/GET/throttling/burstLimit","value":"1"}]}`)
	const stage = `"apiStages":[{"apiId":"API","stage":"live"}]`
	perMethod := w.sell(api, `"apiStages":[{"apiId":"API","stage":"live","throttle":{"/keyed/GET":{"rateLimit":0.001,"burstLimit":1}}}]`)
	perKey := w.sell(api, stage+`,"throttle":{"rateLimit":0.001,"burstLimit":1}`)
	daily := w.sell(api, stage+`,"quota":{"limit":1,"period":"DAY"}`)
	homeless := w.sell(api, "")
	tests := []struct {
		name, path, key, token string
		before, status         int
		why, also              string // how the line begins, and what else is in it
	}{
		{"no key", "/keyed", "", "", 0, 403, "No API key: method GET /keyed requires one, ", ""},
		{"wrong key", "/keyed", "no-key-has-this-value", "", 0, 403, "Wrong API key: ***************-value is the value of no API key", ""},
		{"key in no plan of the stage", "/keyed", homeless, "", 0, 403, "The API key ", " is in no usage plan that has API " + api + ", stage live."},
		{"throttled by key and method", "/keyed", perMethod, "", 1, 429, "Throttled by the usage plan's limit of this key for this method: Limit: 0.00 Burst: 1; API key ", ""},
		{"throttled by key", "/keyed", perKey, "", 1, 429, "Throttled by the usage plan's limit of this key: Limit: 0.00 Burst: 1; API key ", ""},
		{"quota", "/keyed", daily, "", 1, 429, "Quota exhausted: API key ", "; period DAY."},
		{"throttled by the stage", "/limited", "", "", 1, 429, "Throttled by the stage's limit for this method, of all callers: Limit: 0.00 Burst: 1; ", ""},
		{"authorizer denies", "/guarded", "", "Bearer deny", 0, 403, "Authorizer ", " denies: explicitDeny: statement 0 of authorizer."},
		{"authorizer unauthorized", "/guarded", "", "Bearer nobody", 0, 401, "Authorizer ", " answered Unauthorized."},
		{"authorizer broken", "/broken", "", "Bearer x", 0, 500, "Authorizer ", " is broken: function arn:aws:lambda:us-east-1:" + w.key.Account + ":function:malformed: "},
		{"authorizer's function missing", "/gone", "", "Bearer x", 0, 500, "Authorizer ", ":function:nothing could not be invoked: "},
		{"identity source missing", "/guarded", "", "", 0, 401, "Identity source missing: authorizer ", " needs method.request.header.Authorization, which the request does not have."},
		{"identity does not fit", "/guarded", "", "Basic x", 0, 401, "The token does not match the validation expression of authorizer ", ""},
		{"throttled by the account", "/open", "", "", 100, 429, "Throttled by the account's limit, of all APIs: Limit: 0.00 Burst: 100; ", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			status, why := w.refusal(api, tt.path, tt.key, tt.token, tt.before)
			if status != tt.status || !strings.HasPrefix(why, tt.why) || !strings.Contains(why, tt.also) {
				t.Errorf("%d %s\nwant %d %s…%s", status, why, tt.status, tt.why, tt.also)
			}
		})
	}
}
