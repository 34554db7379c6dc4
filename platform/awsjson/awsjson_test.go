package awsjson

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/limen-gateway/limen/core/fault"
)

func newTestTable(t testing.TB, options ...Option) *Table {
	t.Helper()
	table, err := NewTable(options...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// operationOf finds an operation by its name.
func operationOf(t testing.TB, table *Table, service, name string) *Operation {
	t.Helper()
	for _, o := range table.Operations() {
		if o.Service == service && o.Name == name {
			return o
		}
	}
	t.Fatalf("no operation %s.%s", service, name)
	return nil
}

// decode sends a request through routing and decoding.
func decode(t testing.TB, table *Table, method, target, body string) (protoreflect.ProtoMessage, *fault.Error) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	o, labels, _ := table.Match(method, u.EscapedPath(), u.Query())
	if o == nil {
		t.Fatalf("no operation for %s %s", method, target)
	}
	return o.Decode(Request{Labels: labels, Query: u.Query(), Header: http.Header{}, Body: []byte(body)})
}

// TestMatchFindsEveryOperation: the template of an operation, with labels filled in, leads to that operation.
func TestMatchFindsEveryOperation(t *testing.T) {
	table := newTestTable(t)
	if n := len(table.Operations()); n != 230 {
		t.Fatalf("%d operations", n)
	}
	for _, o := range table.Operations() {
		var want []string
		segments := strings.Split(o.Path, "/")
		for i, s := range segments {
			if name, ok := label(s); ok {
				want = append(want, "a/b "+name)
				segments[i] = url.PathEscape("a/b " + name)
			}
		}
		got, labels, known := table.Match(o.Method, strings.Join(segments, "/"), o.query)
		if got != o || !known || strings.Join(labels, "|") != strings.Join(want, "|") {
			t.Errorf("%s.%s: %s %s leads to %v %q", o.Service, o.Name, o.Method, o.Path, got, labels)
		}
	}
}

func TestMatch(t *testing.T) {
	table := newTestTable(t)
	for _, c := range []struct {
		what, method, path, query string
		operation, labels         string
		known                     bool
	}{
		{"a query selects", "POST", "/restapis", "mode=import", "ImportRestApi", "", true},
		{"the last of two values does not select", "POST", "/restapis", "mode=x&mode=import", "CreateRestApi", "", true},
		{"another verb on a known path", "PUT", "/restapis", "", "", "", true},
		{"HEAD is another verb", "HEAD", "/restapis", "", "", "", true},
		{"no such path", "GET", "/restapi", "", "", "", false},
		{"a path that only begins well", "GET", "/restapis/a/stages/s/x", "", "", "", false},
		{"a slash at the end", "GET", "/restapis/", "", "", "", false},
		{"an empty label", "GET", "/restapis//stages", "", "", "", false},
		{"the root", "GET", "/", "", "", "", false},
		{"no path at all", "GET", "", "", "", "", false},
		{"a broken escape", "GET", "/restapis/%zz", "", "", "", false},
		{"a broken escape in a literal", "GET", "/restapis%zz", "", "", "", false},
		{"an encoded slash is no separator", "GET", "/restapis%2Fa", "", "", "", false},
		{"an encoded literal", "GET", "/%72estapis/a%2Fb", "", "GetRestApi", "a/b", true},
		{"the literal wins over the label", "GET", "/v2/apis/a/stages", "", "GetStages", "a", true},
		{"labels in order", "GET", "/restapis/a/resources/b/methods/c/responses/d", "", "GetMethodResponse", "a|b|c|d", true},
		{"a plus is a plus", "GET", "/restapis/a+b", "", "GetRestApi", "a+b", true},
	} {
		t.Run(c.what, func(t *testing.T) {
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			o, labels, known := table.Match(c.method, c.path, query)
			name := ""
			if o != nil {
				name = o.Name
			}
			if name != c.operation || known != c.known || o != nil && strings.Join(labels, "|") != c.labels {
				t.Errorf("%s %q, known %v", name, labels, known)
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	table := newTestTable(t)
	for _, c := range []struct{ what, method, target, body, name, text string }{
		{"bool for text", "POST", "/restapis", `{"name":true}`, "SerializationException",
			"class java.lang.Boolean can not be converted to an String"},
		{"number for text", "POST", "/restapis", `{"name":1}`, "SerializationException",
			"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"},
		{"list for structure", "POST", "/restapis", `{"endpointConfiguration":[]}`, "SerializationException",
			"Start of list found where not expected"},
		{"structure for list", "POST", "/restapis", `{"binaryMediaTypes":{}}`, "SerializationException",
			"Start of structure or map found where not expected."},
		{"the first wrong form ends it", "POST", "/restapis", `{"name":1,"apiKeySource":"x"}`, "SerializationException",
			"class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an String"},
		{"one constraint", "POST", "/restapis", `{"name":"n","endpointConfiguration":{"ipAddressType":"wrong"}}`, "ValidationException",
			"1 validation error detected: Value 'wrong' at 'createRestApiInput.endpointConfiguration.ipAddressType' failed to satisfy constraint: Member must satisfy enum value set: [ipv4, dualstack]"},
		{"a constraint of the path goes by the member's name", "DELETE", "/restapis/a/resources/b/methods/GET/responses/wrong", "", "ValidationException",
			`1 validation error detected: Value 'wrong' at 'statusCode' failed to satisfy constraint: Member must satisfy regular expression pattern: [1-5]\d\d`},
		{"an index counts from one", "PATCH", "/account", `{"patchOperations":[{"op":"add"},{"op":"wrong_op"}]}`, "ValidationException",
			"1 validation error detected: Value 'wrong_op' at 'updateAccountInput.patchOperations.2.member.op' failed to satisfy constraint: Member must satisfy enum value set: [add, remove, replace, move, copy, test]"},
		{"a list is named as a whole", "POST", "/restapis", `{"name":"n","endpointConfiguration":{"types":["wrong"]}}`, "ValidationException",
			"1 validation error detected: Value '[wrong]' at 'createRestApiInput.endpointConfiguration.types' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [REGIONAL, EDGE, PRIVATE]]"},
		{"all at once", "POST", "/v2/domainnames/d/routingrules", `{"priority":0}`, "ValidationException",
			"3 validation errors detected: Value '0' at 'createRoutingRuleInput.priority' failed to satisfy constraint: Member must have value greater than or equal to 1; " +
				"Value null at 'createRoutingRuleInput.actions' failed to satisfy constraint: Member must not be null; " +
				"Value null at 'createRoutingRuleInput.conditions' failed to satisfy constraint: Member must not be null"},
		{"lengths count as Java counts", "POST", "/v2/portalproducts", `{"displayName":"` + strings.Repeat("😀", 128) + `"}`, "ValidationException",
			"1 validation error detected: Value '" + strings.Repeat("😀", 128) + "' at 'createPortalProductInput.displayName' failed to satisfy constraint: Member must have length less than or equal to 255"},
		{"unknown member", "POST", "/restapis", `{"name":"n","names":"n"}`, "BadRequestException",
			"Unknown member createRestApiInput.names: the request has no such member"},
	} {
		t.Run(c.what, func(t *testing.T) {
			_, err := decode(t, table, c.method, c.target, c.body)
			if err == nil || err.Name != c.name || err.Message != c.text || err.Status != http.StatusBadRequest {
				t.Errorf("got  %v\nwant %s: %s", err, c.name, c.text)
			}
		})
	}
}

// TestLenient: a lenient table lets unknown members pass, and nothing else.
func TestLenient(t *testing.T) {
	table := newTestTable(t, Lenient())
	const known, unknown = `{"name":"n"}`, `{"name":"n","names":{"a":[1]}}`
	want, err := decode(t, table, "POST", "/restapis", known)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(t, table, "POST", "/restapis", unknown)
	if err != nil || !proto.Equal(want, got) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := decode(t, table, "POST", "/restapis", `{"names":1}`); err == nil || err.Name != "ValidationException" {
		t.Errorf("a missing member: %v", err)
	}
}
