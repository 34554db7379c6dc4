package event

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
)

func ok(body string, headers ...Field) Result {
	r := Result{StatusCode: 200, Headers: headers}
	if body != "" {
		r.Body = []byte(body)
	}
	return r
}

// TestParseResult has a case for every row of spec/rest.md 5.2 that speaks of the answer's form.
func TestParseResult(t *testing.T) {
	status := func(n int) Result { r := ok(""); r.StatusCode = n; return r }
	encoded := func(b bool) Result { r := ok("YQ=="); r.IsBase64Encoded = b; return r }
	tests := []struct {
		name, in string
		want     Result
		reason   string
	}{
		{"empty object", `{}`, ok(""), ""},
		{"only headers", `{"headers":{"x-a":"1"}}`, ok("", Field{"x-a", "1"}), ""},
		{"missing statusCode", `{"body":"text"}`, ok("text"), ""},
		{"statusCode null", `{"statusCode":null}`, ok(""), ""},
		{"statusCode number", `{"statusCode":404}`, status(404), ""},
		{"statusCode as text", `{"statusCode":"201"}`, status(201), ""},
		{"statusCode word", `{"statusCode":"abc"}`, Result{}, `statusCode is "abc", not an integer`},
		{"statusCode fraction", `{"statusCode":200.5}`, Result{}, `statusCode is 200.5, not an integer`},
		{"statusCode boolean", `{"statusCode":true}`, Result{}, `statusCode is a boolean, not an integer`},
		{"statusCode object", `{"statusCode":{}}`, Result{}, `statusCode is an object, not an integer`},
		{"statusCode list", `{"statusCode":[200]}`, Result{}, `statusCode is a list, not an integer`},
		{"statusCode too small", `{"statusCode":99}`, Result{}, `statusCode is 99, not between 100 and 599`},
		{"statusCode too large", `{"statusCode":600}`, Result{}, `statusCode is 600, not between 100 and 599`},
		{"unknown member", `{"statusCode":200,"foo":"bar"}`, Result{}, `unknown member "foo"`},
		{"cookies belong to format 2.0", `{"cookies":[]}`, Result{}, `unknown member "cookies"`},
		{"members are case-sensitive", `{"StatusCode":200}`, Result{}, `unknown member "StatusCode"`},
		{"null", `null`, Result{}, `the result is null, not an object`},
		{"empty string", `""`, Result{}, `the result is a string, not an object`},
		{"plain string", `"text"`, Result{}, `the result is a string, not an object`},
		{"list", `[]`, Result{}, `the result is a list, not an object`},
		{"number", ` 5`, Result{}, `the result is a number, not an object`},
		{"boolean", `true`, Result{}, `the result is a boolean, not an object`},
		{"nothing", ` `, Result{}, `the result is empty`},
		{"not JSON", `{"a"`, Result{}, `the result is not JSON`},
		{"two values", `{}{}`, Result{}, `the result is not JSON`},
		{"headers null", `{"headers":null,"multiValueHeaders":null}`, ok(""), ""},
		{"headers list", `{"headers":[]}`, Result{}, `headers is a list, not an object`},
		{"multiValueHeaders text", `{"multiValueHeaders":"a"}`, Result{}, `multiValueHeaders is a string, not an object`},
		{"header boolean, number, null", `{"headers":{"b":true,"n":1.50,"z":null}}`, ok("", Field{"b", "true"}, Field{"n", "1.50"}), ""},
		{"header list", `{"headers":{"a":["1"]}}`, Result{}, `headers.a is a list, not a string`},
		{"header object", `{"headers":{"a":{}}}`, Result{}, `headers.a is an object, not a string`},
		{"multi value not a list", `{"multiValueHeaders":{"a":"1"}}`, Result{}, `multiValueHeaders.a is a string, not a list`},
		{"multi value of objects", `{"multiValueHeaders":{"a":["1",{}]}}`, Result{}, `multiValueHeaders.a[1] is an object, not a string`},
		{"multi value null and scalars", `{"multiValueHeaders":{"a":null,"b":[1,true,null,"x"],"c":[]}}`, ok("", Field{"b", "1"}, Field{"b", "true"}, Field{"b", "x"}), ""},
		{"one name in both maps", `{"headers":{"x":"0","TEST-multi":"value-solo","y":"1"},"multiValueHeaders":{"a":["1"],"test-multi":["value-multi"]}}`,
			ok("", Field{"a", "1"}, Field{"test-multi", "value-multi"}, Field{"test-multi", "value-solo"}, Field{"x", "0"}, Field{"y", "1"}), ""},
		{"several cookies", `{"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`, ok("", Field{"Set-Cookie", "a=1"}, Field{"Set-Cookie", "b=2"}), ""},
		{"spellings kept apart", `{"headers":{"Set-Cookie":"a=1","set-cookie":"b=2"}}`, ok("", Field{"Set-Cookie", "a=1"}, Field{"set-cookie", "b=2"}), ""},
		{"body object", `{"body":{"a":1}}`, Result{}, `body is an object, not a string`},
		{"body list", `{"body":[]}`, Result{}, `body is a list, not a string`},
		{"body number", `{"body":1}`, Result{}, `body is a number, not a string`},
		{"body boolean", `{"body":false}`, Result{}, `body is a boolean, not a string`},
		{"body null", `{"body":null}`, ok(""), ""},
		{"body escapes", `{"body":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83dx\ude00"}`, ok("\"\\/\b\f\n\r\té😀\uFFFDx\uFFFD"), ""},
		{"base64", `{"body":"YQ==","isBase64Encoded":true}`, encoded(true), ""},
		{"base64 text true", `{"body":"YQ==","isBase64Encoded":"True"}`, encoded(true), ""},
		{"base64 text false", `{"body":"YQ==","isBase64Encoded":"false"}`, encoded(false), ""},
		{"base64 null", `{"body":"YQ==","isBase64Encoded":null}`, encoded(false), ""},
		{"base64 other text", `{"isBase64Encoded":"yes"}`, Result{}, `isBase64Encoded is "yes", not a boolean`},
		{"base64 number", `{"isBase64Encoded":1}`, Result{}, `isBase64Encoded is a number, not a boolean`},
		{"white space and nesting", " {\n\"headers\" : { \"a\" : \"}\" } ,\t\"body\" : \"{[\\\"\" , \"statusCode\" : 202 }\r\n", func() Result { r := ok(`{["`, Field{"a", "}"}); r.StatusCode = 202; return r }(), ""},
		{"the last of two", `{"statusCode":201,"body":"a","statusCode":202,"body":"b"}`, func() Result { r := ok("b"); r.StatusCode = 202; return r }(), ""},
		{"escaped names", `{"\u0062ody":"x"}`, ok("x"), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseResult([]byte(tt.in))
			reason := ""
			if err != nil {
				var m *MalformedError
				if !errors.As(err, &m) || err.Error() != "malformed Lambda proxy response: "+m.Reason {
					t.Fatalf("error is %T: %v", err, err)
				}
				reason = m.Reason
			}
			if diff := cmp.Diff(tt.reason, reason) + cmp.Diff(tt.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestParseResultOfficialType: what a function writes by the official type is read as meant.
func TestParseResultOfficialType(t *testing.T) {
	text, err := json.Marshal(events.APIGatewayProxyResponse{
		StatusCode: 418, Headers: map[string]string{"a": "<&>"}, MultiValueHeaders: map[string][]string{"b": {"1", "2"}}, Body: "\u2028é", IsBase64Encoded: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseResult(text)
	want := Result{StatusCode: 418, Headers: []Field{{"b", "1"}, {"b", "2"}, {"a", "<&>"}}, Body: []byte("\u2028é"), IsBase64Encoded: true}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Fatal(diff, err)
	}
}

func TestParseFunctionError(t *testing.T) {
	for in, want := range map[string]FunctionError{
		`{"errorMessage":"boom","errorType":"Error","stackTrace":[]}`: {"boom", "Error"},
		`{"errorMessage":null,"errorType":{}}`:                        {},
		`{"errorMessage":5}`:                                          {Message: "5"},
		`"boom"`:                                                      {},
		``:                                                            {},
		`{`:                                                           {},
	} {
		if got := ParseFunctionError([]byte(in)); got != want {
			t.Errorf("%s gives %+v", in, got)
		}
	}
}

// FuzzParseResult: no panic, and what is accepted encoding/json reads the same way.
func FuzzParseResult(f *testing.F) {
	for _, s := range []string{
		`{"statusCode":200,"headers":{"a":"1"},"multiValueHeaders":{"b":["1",2]},"body":"\ud83d\ude00\\","isBase64Encoded":true}`,
		`{}`, `null`, `[{"a":[]}]`, `{"body":"\u0000","headers":{"":null}}`, ` { "statusCode" : "201" } `, `{"multiValueHeaders":{"a":[]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := ParseResult(in)
		ParseFunctionError(in)
		if err != nil {
			return
		}
		var want map[string]any
		if err := json.Unmarshal(in, &want); err != nil {
			t.Fatalf("accepted %q: %v", in, err)
		}
		if body, _ := want["body"].(string); body != string([]rune(string(got.Body))) {
			t.Fatalf("body %q, want %q", got.Body, body)
		}
		if _, err := json.Marshal(got.Headers); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkParseResult(b *testing.B) {
	in := []byte(`{"statusCode":200,"headers":{"Content-Type":"application/json","X-A":"1"},"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},"body":"{\"message\":\"hello\"}","isBase64Encoded":false}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseResult(in); err != nil {
			b.Fatal(err)
		}
	}
}
