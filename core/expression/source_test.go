package expression

import (
	"strings"
	"testing"
)

type fake struct{}

func (fake) Path(n string) string                            { return one("path", n) }
func (fake) Query(n string) string                           { return one("query", n) }
func (fake) QueryAll(d []string, n string) []string          { return append(d, "q1-"+n, "q2-"+n) }
func (fake) Header(n string) string                          { return one("header", n) }
func (fake) HeaderAll(d []string, n string) []string         { return append(d, "h1-"+n, "h2-"+n) }
func (fake) Body() string                                    { return `{"a":{"b":[1,2.50]},"t":"text","n":null,"":1}` }
func (fake) StageVariable(n string) string                   { return one("stage", n) }
func (fake) Context(n string) string                         { return one("context", n) }
func (fake) ResponseHeader(n string) string                  { return one("response", n) }
func (fake) ResponseHeaderAll(d []string, n string) []string { return append(d, "r1", "r2") }
func (fake) ResponseBody() string                            { return "answer" }
func one(where, n string) string {
	if n == "missing" {
		return ""
	}
	return where + "-" + n
}

func TestSource(t *testing.T) {
	tests := []struct {
		side       Side
		expr, want string
	}{
		{Request, "method.request.path.id", "path-id"},
		{Request, "method.request.querystring.a.b", "query-a.b"},
		{Request, "method.request.header.X-A_$", "header-X-A_$"},
		{Request, "method.request.multivaluequerystring.a", "q1-a,q2-a"},
		{Request, "method.request.multivalueheader.a", "h1-a,h2-a"},
		{Request, "method.request.body", fake{}.Body()},
		{Request, "method.request.body.$.t", "text"},
		{Request, "method.request.body.a.b[0]", "1"},
		{Request, "method.request.body.$.a", `{"b":[1,2.5]}`},
		{Request, "method.request.body.$.a.b[*]", `[1,2.5]`},
		{Request, "method.request.body.n", ""},
		{Request, "method.request.body.missing.deep", ""},
		{Request, "stageVariables.v", "stage-v"},
		{Request, "context.identity.sourceIp", "context-identity.sourceIp"},
		{Request, "'literal'", "literal"},
		{Request, "''", ""},
		{Request, "method.request.header.missing", ""},
		{Response, "integration.response.header.ETag", "response-ETag"},
		{Response, "integration.response.multivalueheader.ETag", "r1,r2"},
		{Response, "integration.response.body", "answer"},
		{Response, "integration.response.body.$.a", ""},
		{Response, "'static'", "static"},
	}
	for _, tt := range tests {
		s, err := Parse(tt.side, tt.expr)
		if err != nil {
			t.Errorf("%s: %v", tt.expr, err)
			continue
		}
		if got := s.Eval(fake{}); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.expr, got, tt.want)
		}
		if got := strings.Join(s.All(nil, fake{}), ","); got != tt.want {
			t.Errorf("all of %s: %q, want %q", tt.expr, got, tt.want)
		}
	}
	if (Source{}).Eval(fake{}) != "" || (Source{}).Repeats() || !(Source{kind: requestQueryAll}).Repeats() {
		t.Error("zero source")
	}
}

func TestParse_refuses(t *testing.T) {
	for _, tt := range []struct {
		side Side
		expr string
	}{
		{Request, ""}, {Request, "'"}, {Request, "literal"}, {Request, "method.request.header."}, {Request, "method.request.header.a b"},
		{Request, "integration.response.header.x"}, {Response, "method.request.header.x"}, {Request, "method.request.body."}, {Request, "method.request.body$.a"}, {Request, "method.request.body.$["},
		{Response, "method.request.body"}, {Request, "integration.response.body"}, {Request, "stageVariables."}, {Request, "context."},
	} {
		if _, err := Parse(tt.side, tt.expr); err == nil {
			t.Errorf("%q was accepted", tt.expr)
		}
	}
}
