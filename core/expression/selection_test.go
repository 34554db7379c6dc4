package expression

import "testing"

func TestSelection(t *testing.T) {
	const body = `{"svc":"room","op":"enter","n":7,"f":1.50,"b":true,"z":null,"ids":["a","b"],"o":{"k":"v","l":[1,null]},"my-key":"dash","d":"$default"}`
	for _, tt := range []struct{ name, expression, message, want string }{
		{"member", "$request.body.op", body, "enter"},
		{"two with a slash", "${request.body.svc}/${request.body.op}", body, "room/enter"},
		{"a number", "${request.body.op}-v${request.body.n}", body, "enter-v7"},
		{"a boolean", "$request.body.b", body, "true"},
		{"null is empty", "x${request.body.z}", body, "x"},
		{"a list", "$request.body.ids", body, "[a, b]"},
		{"an object", "$request.body.o", body, "{k=v, l=[1, null]}"},
		{"missing is empty", "x-${request.body.missing}", body, "x-"},
		{"static", "op", body, "op"},
		{"escaped default", `\$default`, "no json", "$default"},
		{"nested", "$request.body.o.k", body, "v"},
		{"a dash ends a bare variable", "$request.body.svc-x", body, "room-x"},
		{"a dash in braces", "${request.body.my-key}", body, "dash"},
		{"a dash in brackets", "$request.body['my-key']", body, "dash"},
		{"single pass", "$request.body.d", body, "$default"},
		{"a list at the top", "$request.body[0]", `["a"]`, "a"},
		{"names without quotes", "$request.body.action", `{"action":"go", body:"x"}`, "go"},
		{"single quotes", "$request.body.action", `{'action':'g"o\'', }`, `g"o'`},
		{"comma at the end", "$request.body.a[1]", `{a:[1,2e3,],}`, "2000.0"},
		{"no JSON", "$request.body.action", "hello", "<none>"},
		{"a scalar", "$request.body.action", `"action"`, "<none>"},
		{"empty", "$request.body.action", "", "<none>"},
		{"static needs no JSON", "op", "hello", "op"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, err := CompileSelection(tt.expression)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := s.Key(tt.message)
			if !ok {
				got = "<none>"
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// answered is an integration's answer.
type answered struct{}

func (answered) ResponseStatus() string            { return "404" }
func (answered) ResponseHeader(name string) string { return "h-" + name }
func (answered) ResponseHeaderAll(d []string, name string) []string {
	return append(d, name+"1", name+"2")
}
func (answered) ResponseBody() string { return `{"a":[1]}` }

func TestResponseSelection(t *testing.T) {
	for expression, want := range map[string]string{
		"${integration.response.statuscode}-${request.body.op}": "404-enter", "$integration.response.statuscode": "404",
		"${integration.response.header.X-Kind}": "h-X-Kind", "${integration.response.multivalueheader.X}": "X1,X2",
		"$integration.response.body.a": "[1]", "$integration.response.body": "{a=[1]}", "x${integration.response.body.none}": "x", "static": "static",
	} {
		s, err := CompileResponseSelection(expression)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.ResponseKey(`{"op":"enter"}`, answered{}); got != want || !ok {
			t.Errorf("%s: %q %v, want %q", expression, got, ok, want)
		}
	}
	for _, expression := range []string{"$integration.response.header.", "$integration.response.x", "$integration.response.body['", "$context.stage"} {
		if _, err := CompileResponseSelection(expression); err == nil {
			t.Errorf("%s compiles", expression)
		}
	}
	s, err := CompileResponseSelection("x$integration.response.body.a")
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.ResponseKey("", plain{}); got != "x" {
		t.Errorf("of a body that is no JSON: %q", got)
	}
}

type plain struct{ answered }

func (plain) ResponseBody() string { return "text" }

func TestSelectionRefuses(t *testing.T) {
	for _, expression := range []string{"$request.header.x", "$context.routeKey", "${request.body.a", "$request.body['a", "$", "${}", "$request.bodyx"} {
		if _, err := CompileSelection(expression); err == nil {
			t.Errorf("%s compiles", expression)
		}
	}
}

func FuzzSelectionKey(f *testing.F) {
	f.Add("$request.body.a", `{a:'b',}`)
	f.Add("x${request.body[0].b}", `[{"b":1}]`)
	f.Fuzz(func(t *testing.T, expression, message string) {
		if s, err := CompileSelection(expression); err == nil {
			s.Key(message)
		}
	})
}
