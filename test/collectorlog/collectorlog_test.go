package collectorlog

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// testdata/recorded.log is all that bin/collector wrote, on both outputs, while a limen sent it the trace of a request to its
// sample API, and then came testdata/sent.json by POST to /v1/traces.
func recorded(t *testing.T) []Span {
	t.Helper()
	f, err := os.Open("testdata/recorded.log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	return Read(f)
}

func TestRead(t *testing.T) {
	const request, sent = "5e66d96f7491f09f1234567890abcdef", "0102030405060708090a0b0c0d0e0f10"
	want := []Span{
		{request, "5fb74aec181e1511", "d5b7afd4dee25c15", "hello", "limen", "Server", map[string]string{
			"faas.name": "hello", "faas.version": "$LATEST", "faas.invocation_id": "128849aa-5322-4255-8aac-32288bc666f1",
			"cloud.resource_id": "arn:aws:lambda:us-east-1:111111111111:function:hello",
		}},
		{request, "d5b7afd4dee25c15", "42a76a1b48b3f716", "invoke hello", "limen", "Client", map[string]string{
			"faas.invoked_name": "hello", "faas.invoked_provider": "aws", "faas.invoked_region": "us-east-1",
			"faas.invocation_id": "128849aa-5322-4255-8aac-32288bc666f1",
		}},
		{request, "42a76a1b48b3f716", "53995c3f42cd8ad8", "GET /hello", "limen", "Server", map[string]string{
			"http.request.method": "GET", "http.route": "/hello", "http.response.status_code": "200", "http.response.body.size": "81",
			"url.path": "/_aws/execute-api/gdm3x8eaxd/prod/hello", "url.scheme": "http", "network.protocol.version": "1.1",
			"client.address": "127.0.0.1", "server.address": "127.0.0.1", "user_agent.original": "curl/7.88.1",
			"aws.api_gateway.account_id": "111111111111", "aws.api_gateway.rest_api_id": "gdm3x8eaxd", "aws.api_gateway.stage": "prod",
			"aws.api_gateway.request_id": "f1ac06a0-4d0d-4dd7-8637-6afa784a1097", "limen.extended_request_id": "t4q3iyQM51L5gb4=",
		}},
		{sent, "1112131415161718", "", "first: of (two)", "one", "Producer", map[string]string{
			"text": "a: (b) and\n\nSpan #7", "n": "-3", "yes": "true", "part": "0.5", "empty": "", "list": `["x",1]`, "map": `{"k":"v"}`,
		}},
		{sent, "2122232425262728", "1112131415161718", "bare", "one", "Unspecified", map[string]string{}},
		{sent, "3132333435363738", "2122232425262728", "of no service", "", "Consumer", map[string]string{}},
	}
	if diff := cmp.Diff(want, recorded(t)); diff != "" {
		t.Error(diff)
	}
}

// TestReadPart: whoever reads while the collector prints gets what is there, wherever it ends.
func TestReadPart(t *testing.T) {
	text, err := os.ReadFile("testdata/recorded.log")
	if err != nil {
		t.Fatal(err)
	}
	whole := recorded(t)
	for end := range text {
		part := Read(strings.NewReader(string(text[:end])))
		if len(part) > len(whole) {
			t.Fatalf("%d bytes give %d spans, the whole %d", end, len(part), len(whole))
		}
		if n := len(part) - 1; n > 0 && !cmp.Equal(part[:n], whole[:n]) {
			t.Fatalf("%d bytes: %s", end, cmp.Diff(whole[:n], part[:n]))
		}
	}
}
