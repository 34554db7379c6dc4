package expression

import "testing"

// FuzzExpressions: whatever is read is evaluated without a panic, and twice the same.
func FuzzExpressions(f *testing.F) {
	for _, text := range []string{"method.request.header.X", "method.request.body.$.a[0]", "integration.response.body.a..b", "context.identity.sourceIp", "'static'",
		"$request.body.action", "${request.body.a}/${request.body['b']}", `\$default`, "$integration.response.header.x", "$request.body[0"} {
		f.Add(text, `{"a":[{"b":1}],action:'x',}`)
	}
	f.Fuzz(func(t *testing.T, text, body string) {
		for _, side := range []Side{Request, Response} {
			if s, err := Parse(side, text); err == nil {
				v := sent{body: body}
				if once := s.Eval(v); once != s.Eval(v) || len(s.All(nil, v)) > 2 {
					t.Errorf("%q of %q", text, body)
				}
			}
		}
		for _, compile := range []func(string) (Selection, error){CompileSelection, CompileResponseSelection} {
			if s, err := compile(text); err == nil {
				key, ok := s.ResponseKey(body, sent{body: body})
				if again, still := s.ResponseKey(body, sent{body: body}); again != key || still != ok {
					t.Errorf("%q of %q: %q, then %q", text, body, key, again)
				}
			}
		}
	})
}

// sent is a fake with a body and an answer.
type sent struct {
	fake
	body string
}

func (s sent) Body() string           { return s.body }
func (s sent) ResponseBody() string   { return s.body }
func (s sent) ResponseStatus() string { return "200" }
