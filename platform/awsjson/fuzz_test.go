package awsjson

import (
	"net/http"
	"net/url"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// FuzzDecode: no request makes the codec panic, a refusal has a name and a text, and what decodes is a message that can
// be stored, and that encodes and decodes to itself.
func FuzzDecode(f *testing.F) {
	for _, s := range []struct{ method, path, query, body string }{
		{"POST", "/restapis", "", `{"name":"n","endpointConfiguration":{"types":["EDGE",null]},"tags":{"a":null},"minimumCompressionSize":1e2}`},
		{"PATCH", "/restapis/a", "", `{"patchOperations":[{"op":"replace","path":"/a~1b","value":"\ud800"}]}`},
		{"PUT", "/restapis/a", "mode=merge&x=%FF", "\xff\x00"},
		{"POST", "/usageplans", "", `{"name":"n","throttle":{"rateLimit":-1.5e-7,"burstLimit":0},"apiStages":[{"throttle":{"/a/GET":{}}}]}`},
		{"PUT", "/restapis/a/resources/b/methods/GET/integration", "", `{"type":"AWS","requestTemplates":{"a/b":null}}`},
		{"DELETE", "/tags/arn%3Aaws%FF", "tagKeys=a,b&tagKeys=", ""},
		{"GET", "/apikeys", "limit=99999999999&includeValues=TRUE", ""},
		{"POST", "/v2/domainnames/d/routingrules", "", `{"priority":5,"actions":[{"invokeApi":{}}],"conditions":[{"matchHeaders":{"anyOf":[{}]}}]}`},
		{"PATCH", "/v2/apis/a/stages/%24default", "", `{"routeSettings":{"":{"throttlingRateLimit":1e400}}}`},
		{"POST", "/@connections/c%3D", "", "x"},
	} {
		f.Add(s.method, s.path, s.query, []byte(s.body))
	}
	table := newTestTable(f)
	f.Fuzz(func(t *testing.T, method, path, rawQuery string, body []byte) {
		query, _ := url.ParseQuery(rawQuery)
		o, labels, _ := table.Match(method, path, query)
		if o == nil {
			return
		}
		msg, err := o.Decode(Request{Labels: labels, Query: query, Header: http.Header{"Accept": {path}}, Body: body})
		if err != nil {
			if err.Name == "" || err.Message == "" || err.Status != http.StatusBadRequest {
				t.Fatalf("%+v", err)
			}
			return
		}
		if _, err := proto.Marshal(msg); err != nil {
			t.Fatalf("%s: %v", o.Name, err)
		}
		again(t, o, msg, labels, query, path)
	})
}

// again encodes the body of a request and decodes it; both messages must be equal.
func again(t *testing.T, o *Operation, msg protoreflect.ProtoMessage, labels []string, query url.Values, accept string) {
	t.Helper()
	if o.in == nil || o.in.payload != nil {
		return
	}
	body := appendStructure(nil, msg.ProtoReflect(), o.in)
	second, err := o.Decode(Request{Labels: labels, Query: query, Header: http.Header{"Accept": {accept}}, Body: body})
	if err != nil {
		t.Fatalf("%s: %s: %v", o.Name, body, err)
	}
	if !proto.Equal(msg, second) {
		t.Fatalf("%s: %s decodes to %v, not to %v", o.Name, body, second, msg)
	}
}
