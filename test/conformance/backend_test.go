package conformance

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"testing"
)

// started starts the fakes of a case, against a gateway that takes every declaration.
func started(t *testing.T, backends map[string]Backend) *run {
	t.Helper()
	g := startGateway(t, nil)
	key := Key{"300000000001", "AKIACASE000000000001", "conformance-secret"}
	r := newRun(&Target{Control: g.server.URL, Data: g.server.URL, Region: "us-east-1"}, key, nil)
	r.ctx = t.Context()
	t.Cleanup(r.stopBackends)
	if err := r.startBackends(t.Context(), &Case{Backends: backends}, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	return r
}

// ask sends a request and returns status, headers and body.
func ask(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestFunctions(t *testing.T) {
	const arn = "arn:aws:execute-api:us-east-1:300000000001:a/s/GET/p"
	tried := map[string]bool{}
	for _, c := range []struct{ behaviour, event, answer, failed string }{
		{"static", `{}`, `{"k": [1, "fun"]}`, ""},
		{"unused", `{}`, `null`, ""},
		{"echo-event", `{"b":1,"a":2}`, `{"b":1,"a":2}`, ""},
		{"proxy-echo-event", `{"b":"<"}`, `{"statusCode":200,"body":"{\"b\":\"<\"}","isBase64Encoded":false}`, ""},
		{"proxy-echo-event-text", `{ "a": 1 }`, `{"statusCode":200,"body":"\"response from localstack lambda: {\\\"a\\\":1}\"","isBase64Encoded":false,"headers":{}}`, ""},
		{"proxy-xml-300", `{}`, `<message>`, ""},
		{"return-parsed-body", `{"body":"eyJhIjoxfQ==","isBase64Encoded":true}`, `{"a":1}`, ""},
		{"return-parsed-body", `{"body":"{\"a\":1}","isBase64Encoded":false}`, `{"a":1}`, ""},
		{"return-parsed-body", `{"body":"no"}`, "errorMessage", "Unhandled"},
		{"proxy-return-body-base64", `{"httpMethod":"POST","headers":{"content-type":"image/png"},"body":"AAE=","isBase64Encoded":true}`, `"Content-Type":"image/png"`, ""},
		{"proxy-return-body-base64", `{"httpMethod":"GET"}`, `"body":"3q2+7w=="`, ""},
		{"by-body-httpStatus", `{"body":{"httpStatus":"400"}}`, "customerror", ""},
		{"by-body-httpStatus", `{"body":{"httpStatus":"200"}}`, "noerror", ""},
		{"by-statusCode-raise", `{"statusCode":"200"}`, `"Pass"`, ""},
		{"by-statusCode-raise", `{"statusCode":"400"}`, "Raising four hundred", "Unhandled"},
		{"by-statusCode-raise", `{"statusCode":"500"}`, "Raising five hundred", "Unhandled"},
		{"authorizer-token", `{"authorizationToken":"allow","methodArn":"` + arn + `"}`, `"Effect":"Allow","Resource":"` + arn + `"`, ""},
		{"authorizer-token", `{"authorizationToken":"deny","methodArn":"` + arn + `"}`, `"Effect":"Deny"`, ""},
		{"authorizer-token", `{"authorizationToken":"none","methodArn":"` + arn + `"}`, `unrelated`, ""},
		{"authorizer-token", `{"authorizationToken":"bad"}`, `{"not":"a policy"}`, ""},
		{"authorizer-token", `{"authorizationToken":"Unauthorized"}`, `"errorMessage":"Unauthorized"`, "Unhandled"},
		{"authorizer-token", `{"authorizationToken":"fail"}`, `"errorMessage":"boom"`, "Unhandled"},
		{"authorizer-token", `{"queryStringParameters":{"auth":"deny"},"methodArn":"x"}`, `"Effect":"Deny"`, ""},
		{"authorizer-token", `{"identitySource":["allow"],"routeArn":"x"}`, `"Effect":"Allow"`, ""},
		{"authorizer-usage-key", `{"authorizationToken":"k1","methodArn":"x"}`, `"usageIdentifierKey":"k1"`, ""},
		{"http-authorizer-simple", `{"headers":{"auth":"allow"}}`, `"isAuthorized":true`, ""},
		{"http-authorizer-simple", `{"headers":{"auth":"deny"}}`, `{"isAuthorized":false}`, ""},
		{"http-authorizer-simple", `{"headers":{"auth":"fail"}}`, "boom", "Unhandled"},
		{"ws-behaviours", `{"requestContext":{"routeKey":"$connect"}}`, `{"statusCode":200}`, ""},
		{"ws-behaviours", `{"requestContext":{"routeKey":"$connect"},"queryStringParameters":{"deny":"1"}}`, `403`, ""},
		{"ws-behaviours", `{"requestContext":{"routeKey":"$connect"},"queryStringParameters":{"fail":"1"}}`, `boom`, "Unhandled"},
		{"ws-behaviours", `{"requestContext":{"routeKey":"$disconnect"},"body":"{\"action\":\"fail\"}"}`, `{"statusCode":200}`, ""},
		{"ws-behaviours", `{"requestContext":{"routeKey":"x"},"body":"{\"action\":\"echo\"}"}`, `"body":"{\"action\":\"echo\"}"`, ""},
		{"ws-behaviours", `{"requestContext":{"routeKey":"x"},"body":"{\"action\":\"fail\"}"}`, `boom`, "Unhandled"},
		{"ws-behaviours", `{"requestContext":{"routeKey":"x","connectionId":"c="},"body":"{\"action\":\"push\"}"}`, `push: got 418`, "Unhandled"},
	} {
		tried[c.behaviour] = true
		r := started(t, map[string]Backend{"f": {Kind: "lambda", Name: "fun", Behaviour: c.behaviour, Payload: json.RawMessage(`{"k":[1,"{{backend.f.name}}"]}`)}})
		res, text := ask(t, "POST", r.scope.backends["f"].url, c.event)
		if !strings.Contains(text, c.answer) || res.Header.Get("X-Amz-Function-Error") != c.failed {
			t.Errorf("%s %s: %s", c.behaviour, c.event, text)
		}
		if got := r.scope.backends["f"].since(0); len(got) != 1 || string(got[0]) != c.event {
			t.Errorf("%s keeps %s", c.behaviour, got)
		}
	}
	for name := range lambdas {
		if !tried[name] {
			t.Errorf("%s is not tried", name)
		}
	}
}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		behaviour, method, path, body string
		status                        int
		has                           []string
	}{
		{"http-echo", "POST", "/x/y?a=1&a=2", "data", 200, []string{`"args":{"a":"1,2"}`, `"data":"data"`, `"x-one":"1"`, `"method":"POST"`, `"path":"/x/y"`, `"expect":"odd"`}},
		{"http-return-body", "POST", "/", `{"a": 1}`, 200, []string{`{"a": 1}`}},
		{"http-status-from-path", "GET", "/status/418", "", 418, []string{`{"message":"","status_code":418}`}},
		{"httpbin", "POST", "/post", `{"a":1}`, 200, []string{`"json":{"a":1}`, `"data":"{\"a\":1}"`, `"X-One":"1"`}},
		{"httpbin", "GET", "/status/503", "", 503, nil},
	} {
		r := started(t, map[string]Backend{"h": {Kind: "http", Behaviour: c.behaviour}})
		// net/http's server would refuse this Expect.
		res, text := ask(t, c.method, r.scope.backends["h"].url+c.path, c.body, "X-One", "1", "Expect", "odd")
		if res.StatusCode != c.status {
			t.Errorf("%s: %d %s", c.behaviour, res.StatusCode, text)
		}
		for _, part := range c.has {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %s lacks %s", c.behaviour, text, part)
			}
		}
		if got := r.scope.backends["h"].since(0); len(got) != 1 || string(got[0]) != c.body {
			t.Errorf("%s keeps %s", c.behaviour, got)
		}
	}
}

func TestIssuer(t *testing.T) {
	r := started(t, map[string]Backend{"oidc": {Kind: "oidc"}})
	token, err := r.lookup("backend.oidc.token aud=test sub=u n=5")
	if err != nil {
		t.Fatal(err)
	}
	address := r.scope.backends["oidc"].url
	_, discovery := ask(t, "GET", address+"/.well-known/openid-configuration", "")
	var found struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := json.Unmarshal([]byte(discovery), &found); err != nil || found.Issuer != address {
		t.Fatalf("%s: %v", discovery, err)
	}
	_, text := ask(t, "GET", found.JWKSURI, "")
	var keys struct{ Keys []struct{ N, E string } }
	if err := json.Unmarshal([]byte(text), &keys); err != nil || len(keys.Keys) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	parts := strings.Split(token.(string), ".")
	part := func(s string) []byte {
		out, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(part(keys.Keys[0].N)), E: int(new(big.Int).SetBytes(part(keys.Keys[0].E)).Int64())}
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, hash[:], part(parts[2])); err != nil {
		t.Error(err)
	}
	claims := bodyOf(part(parts[1])).(map[string]any)
	if claims["aud"] != "test" || claims["sub"] != "u" || claims["n"] != 5.0 || claims["iss"] != address || claims["exp"] == nil {
		t.Errorf("claims %v", claims)
	}
}

// TestStandIns speaks to each service as a gateway does, and then as a case does.
func TestStandIns(t *testing.T) {
	r := started(t, map[string]Backend{"b": {Kind: "aws-s3"}, "q": {Kind: "aws-sqs", Name: "queue"}, "t": {Kind: "aws-dynamodb"},
		"k": {Kind: "aws-kinesis", Name: "stream"}, "e": {Kind: "aws-events"}, "m": {Kind: "aws-states"}})
	of := r.scope.backends
	json10 := func(id, operation, body string) string {
		res, text := ask(t, "POST", of[id].url, body, "X-Amz-Target", "Service."+operation)
		if res.StatusCode != 200 {
			t.Errorf("%s: %d %s", operation, res.StatusCode, text)
		}
		return text
	}
	if res, text := ask(t, "PUT", of["b"].url+"/b/key", "\x00\xff", "Content-Type", "image/png"); res.StatusCode != 200 || res.Header.Get("ETag") == "" {
		t.Errorf("PutObject: %d %s", res.StatusCode, text)
	}
	if res, text := ask(t, "GET", of["b"].url+"/b/key", ""); text != "\x00\xff" || res.Header.Get("Content-Type") != "image/png" {
		t.Errorf("GetObject: %d %q", res.StatusCode, text)
	}
	if res, text := ask(t, "GET", of["b"].url+"/b/none", ""); res.StatusCode != 404 || !strings.Contains(text, "<Code>NoSuchKey</Code>") {
		t.Errorf("GetObject: %d %s", res.StatusCode, text)
	}
	form := "Action=SendMessage&MessageBody=one&MessageAttribute.1.Name=n&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v"
	if _, text := ask(t, "POST", of["q"].url, form); !strings.Contains(text, "<SendMessageResult>") {
		t.Errorf("SendMessage: %s", text)
	}
	if _, text := ask(t, "POST", of["q"].url, "Action=SendMessage", "Accept", "application/json"); !strings.Contains(text, `"Code":"MissingParameter"`) {
		t.Errorf("SendMessage: %s", text)
	}
	json10("q", "SendMessage", `{"MessageBody":"two"}`)
	json10("t", "PutItem", `{"Item":{"id":{"S":"one"}}}`)
	if text := json10("t", "Query", `{"ExpressionAttributeValues":{":v":{"S":"one"}}}`); !strings.Contains(text, `"Count":1`) {
		t.Errorf("Query: %s", text)
	}
	json10("k", "PutRecord", `{"StreamName":"stream","Data":"YQ==","PartitionKey":"p"}`)
	if text := json10("e", "PutEvents", `{"Entries":[{}]}`); !strings.Contains(text, "EventId") {
		t.Errorf("PutEvents: %s", text)
	}
	if text := json10("m", "StartSyncExecution", `{"stateMachineArn":"`+of["m"].arn+`","input":"{}"}`); !strings.Contains(text, "SUCCEEDED") {
		t.Errorf("StartSyncExecution: %s", text)
	}
	front, err := ServeAWS("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer front.Close()
	front.of(of)
	scope := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=AK/20260101/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=0"
	}
	if _, text := ask(t, "POST", front.URL, `{}`, "X-Amz-Target", "DynamoDB_20120810.Scan", "Authorization", scope("dynamodb")); !strings.Contains(text, `"Count":1`) {
		t.Errorf("Scan at the one address: %s", text)
	}
	if res, text := ask(t, "GET", front.URL+"/b/key", "", "Authorization", scope("s3")); text != "\x00\xff" {
		t.Errorf("GetObject at the one address: %d %q", res.StatusCode, text)
	}
	if res, _ := ask(t, "GET", front.URL+"/", "", "Authorization", scope("sns")); res.StatusCode != 404 {
		t.Errorf("a service that the case has not: %d", res.StatusCode)
	}
	for operation, want := range map[string]string{
		`s3.GetObject {"Bucket":"b","Key":"key"}`:                 `"ContentLength":2`,
		`sqs.ReceiveMessage {}`:                                   `"Body":"two"`,
		`dynamodb.Scan {}`:                                        `"Count":1`,
		`kinesis.GetRecords {"ShardIterator":"from:0"}`:           `"Data":"b'a'"`,
		`kinesis.DescribeStreamSummary {"StreamName":"other"}`:    "not found",
		`kinesis.GetShardIterator {"ShardIteratorType":"LATEST"}`: `from:1`,
		`events.PutEvents {"Entries":[]}`:                         "must not be null",
		`states.StartExecution {"stateMachineArn":"other"}`:       "Does Not Exist",
		`sqs.ReceiveMessage {"MessageAttributeNames":["All"]}`:    `"StringValue":"v"`,
		`dynamodb.GetItem {"Key":{"id":{"S":"one"}}}`:             `"Item"`,
		`dynamodb.Nothing {}`:                                     "does not do",
	} {
		name, params, _ := strings.Cut(operation, " ")
		a, err := r.call(t.Context(), name, json.RawMessage(params))
		if err != nil || !bytes.Contains(a.raw, []byte(want)) {
			t.Errorf("%s: %v %v", operation, a, err)
		}
	}
}
