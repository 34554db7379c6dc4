package awsjson

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
)

// TestDoubles: as Java's Double.toString prints them.
func TestDoubles(t *testing.T) {
	for _, c := range []struct {
		f    float64
		want string
	}{
		{0, "0.0"}, {math.Copysign(0, -1), "-0.0"}, {1, "1.0"}, {-1, "-1.0"}, {0.5, "0.5"}, {10000, "10000.0"},
		{33.33, "33.33"}, {0.001, "0.001"}, {0.0001, "1.0E-4"}, {0.00012, "1.2E-4"}, {9999999, "9999999.0"},
		{1e7, "1.0E7"}, {12345678.5, "1.23456785E7"}, {-1e21, "-1.0E21"}, {math.MaxFloat64, "1.7976931348623157E308"},
		{math.NaN(), `"NaN"`}, {math.Inf(1), `"Infinity"`}, {math.Inf(-1), `"-Infinity"`},
	} {
		got := string(appendDouble(nil, c.f))
		if got != c.want {
			t.Errorf("%g prints as %s, want %s", c.f, got, c.want)
		}
		var back float64
		if !strings.HasPrefix(got, `"`) && (json.Unmarshal([]byte(got), &back) != nil || back != c.f) {
			t.Errorf("%s reads as %g", got, back)
		}
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"", `""`},
		{`a"b\c/d`, `"a\"b\\c/d"`},
		{"<a href='x'>&amp;", `"<a href='x'>&amp;"`},
		{"\n\r\t\b\f\x00\x1f", `"\n\r\t\u0008\u000c\u0000\u001f"`},
		{"é😀\u2028\x7f", "\"é😀\u2028\x7f\""},
		{"a\xff\xfeb\xe2\x82", "\"a\ufffd\ufffdb\ufffd\ufffd\""},
	} {
		got := string(appendString(nil, c.in))
		if got != c.want {
			t.Errorf("%q is written %s, want %s", c.in, got, c.want)
		}
		var back string
		if err := json.Unmarshal([]byte(got), &back); err != nil || utf8.ValidString(c.in) && back != c.in {
			t.Errorf("%s reads as %q, %v", got, back, err)
		}
	}
	if got := string(ErrorBody(`Invalid "x"`)); got != `{"message":"Invalid \"x\""}` {
		t.Error(got)
	}
}

func TestEncode(t *testing.T) {
	table := newTestTable(t)
	for _, c := range []struct {
		what, service, operation, message string
		status                            int
		body                              string
	}{
		{"absent stays absent", "apigateway", "GetRestApi", `{}`, 200, `{}`},
		{"empty is not absent", "apigateway", "GetRestApi",
			`{"name":"","tags":{},"binaryMediaTypes":{},"minimumCompressionSize":0,"disableExecuteApiEndpoint":false,"endpointConfiguration":{}}`, 200,
			`{"name":"","binaryMediaTypes":[],"minimumCompressionSize":0,"endpointConfiguration":{},"tags":{},"disableExecuteApiEndpoint":false}`},
		{"v1 lists are item", "apigateway", "GetRestApis", `{"items":{"items":[{"id":"a"}]}}`, 200, `{"item":[{"id":"a"}]}`},
		{"v2 lists are items", "apigatewayv2", "GetApis", `{"items":{"items":[{"apiId":"a"}]}}`, 200, `{"items":[{"apiId":"a"}]}`},
		{"v1 dates are numbers", "apigateway", "GetRestApi", `{"createdDate":"2024-01-02T03:04:05Z"}`, 200, `{"createdDate":1704164645}`},
		{"v2 dates are texts", "apigatewayv2", "GetApi", `{"createdDate":"2024-01-02T03:04:05Z"}`, 200, `{"createdDate":"2024-01-02T03:04:05Z"}`},
		{"keys of maps in order", "apigateway", "GetTags", `{"tags":{"entries":{"b":"2","a":"1","é":""}}}`, 200, `{"tags":{"a":"1","b":"2","é":""}}`},
		{"lists in lists in maps", "apigateway", "GetUsage", `{"items":{"entries":{"k":{"items":[{"items":["1","2"]},{}]}}}}`, 200, `{"values":{"k":[[1,2],[]]}}`},
		{"null templates of a response", "apigateway", "GetIntegrationResponse",
			`{"responseTemplates":{"entries":{"application/json":"","text/plain":"x"}},"responseParameters":{"entries":{"a":""}}}`, 200,
			`{"responseParameters":{"a":""},"responseTemplates":{"application/json":null,"text/plain":"x"}}`},
		{"null templates of a request", "apigateway", "GetIntegration", `{"requestTemplates":{"entries":{"application/json":""}},"requestParameters":{"entries":{"a":""}}}`, 200,
			`{"requestParameters":{"a":""},"requestTemplates":{"application/json":null}}`},
		{"an answer without body", "apigateway", "DeleteRestApi", `{}`, 202, ``},
		{"a raw answer", "apigateway", "GetExport", `{"body":"e30="}`, 200, `{}`},
		{"a fraction", "apigateway", "GetUsagePlan", `{"throttle":{"rateLimit":100,"burstLimit":5}}`, 200, `{"throttle":{"burstLimit":5,"rateLimit":100.0}}`},
	} {
		t.Run(c.what, func(t *testing.T) {
			o := operationOf(t, table, c.service, c.operation)
			m := o.Output()
			if err := protojson.Unmarshal([]byte(c.message), m); err != nil {
				t.Fatal(err)
			}
			r := o.Encode(m)
			if r.Status != c.status || string(r.Body) != c.body || r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("%d %v\n got %s\nwant %s", r.Status, r.Header, r.Body, c.body)
			}
		})
	}
}

// TestEncodeHeaders: members of the header take the place of the usual lines.
func TestEncodeHeaders(t *testing.T) {
	o := operationOf(t, newTestTable(t), "apigateway", "GetExport")
	m := o.Output()
	const message = `{"contentType":"application/octet-stream","contentDisposition":"attachment; filename=\"oas30_1.0.0.json\"","body":"AP8="}`
	if err := protojson.Unmarshal([]byte(message), m); err != nil {
		t.Fatal(err)
	}
	r := o.Encode(m)
	if r.Header.Get("Content-Type") != "application/octet-stream" ||
		r.Header.Get("Content-Disposition") != `attachment; filename="oas30_1.0.0.json"` || string(r.Body) != "\x00\xff" {
		t.Errorf("%v %q", r.Header, r.Body)
	}
}
