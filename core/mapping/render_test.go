package mapping

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// about makes a request of JSON texts; "" for none.
func about(t testing.TB, params, context, stage string) *request {
	t.Helper()
	read := func(text string) jsonpath.Value {
		if text == "" {
			text = "{}"
		}
		v, err := jsonpath.ParseJSON(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	v := jsonpath.ObjectValue()
	v.Set("params", read(params))
	v.Set("context", read(context))
	v.Set("stageVariables", read(stage))
	return requestOf(v)
}

func compiled(t testing.TB, text string) *Template {
	t.Helper()
	x, err := Compile("application/json", text)
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return x
}

// TestRender renders testdata/render.jsonl: a line is a template, a body and the output, all about one request. It has what
// the vectors of core/vtl do not: what is sourced from the Input, and how a document and what a template took out of it stay
// one.
func TestRender(t *testing.T) {
	const params = `{"path":{"id":"p"},"querystring":{"id":"q","a":"1"},"header":{"id":"h","a":"2","X-Only":"3"}}`
	const context = `{"requestId":"r1","requestTimeEpoch":1700000000000,"identity":{"sourceIp":"192.0.2.1","apiKey":"k","vpcId":"v",
		"clientCert":{"clientCertPem":"pem","validity":{"notAfter":"later"}}},
		"authorizer":{"principalId":"me","a.b":"dotted","claims":{"sub":"s1"}},"error":{"message":"oops"}}`
	text, err := os.ReadFile(filepath.Join("testdata", "render.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for row := range strings.Lines(string(text)) {
		var tt struct{ Name, Template, Body, Output string }
		if err := json.Unmarshal([]byte(row), &tt); err != nil {
			t.Fatalf("%s: %v", row, err)
		}
		t.Run(tt.Name, func(t *testing.T) {
			out, err := compiled(t, tt.Template).Render(about(t, params, context, `{"b":"2","a":"1"}`), tt.Body, &State{})
			if err != nil || string(out) != tt.Output {
				t.Errorf("got  %q %v\nwant %q", out, err, tt.Output)
			}
		})
	}
}

func TestRender_fails(t *testing.T) {
	for _, tt := range []struct{ name, template, body, want string }{
		{"a method", "\n  $input.path('$.s').substring(9)", `{"s":"x"}`, "line 2, column 22: "},
		{"a path that is none", "$input.path('$[')", "", "line 1, column 8: invalid path"},
		{"a path of json that is none", "$input.json('$[')", "", "line 1, column 8: invalid path"},
		{"a value is not told", "#set($i = 0)$i.parseInt($input.path('$'))", `"secret"`, "line 1, column 16: NumberFormatException"},
		{"base64", "$util.base64Decode('?')", "", "line 1, column 7: IllegalArgumentException: not in valid Base64 encoding"},
		{"base64 in lines", "$util.base64Decode(\"YQ\n==\")", "", "line 1, column 7: IllegalArgumentException: not in valid Base64 encoding"},
		{"escapes of a URL", "$util.urlDecode('%4')", "", "line 1, column 7: IllegalArgumentException: URLDecoder"},
		{"escapes of a URL that are none", "$util.urlDecode('%zz')", "", "line 1, column 7: IllegalArgumentException: URLDecoder"},
		{"an override written twice", "#set($h = $context.requestOverride.header)#set($h.a = 1)$h.put('a', 2)", "", "requestOverride.header.a is written twice"},
		{"a status written twice", "#set($context.responseOverride.status = 200)#set($context.responseOverride.status = 201)", "", "responseOverride.status is written twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, err := compiled(t, tt.template).Render(about(t, "", "", ""), tt.body, &State{})
			var e *Error
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") || out != nil {
				t.Errorf("%q %v, want %s…", out, err, tt.want)
			}
		})
	}
}

func TestCompile_refuses(t *testing.T) {
	for text, want := range map[string]string{
		"{\n \"a\": #if($x)": "line 2, column 14: ", "cost 5$": "line 1, column 8: ", "$x.y(1+1)": "line 1, column 7: ",
		strings.Repeat("x", 300*1024+1): "line 1, column 307201: ",
	} {
		_, err := CompileTemplates(map[string]string{"application/json": text})
		if err == nil || !strings.HasPrefix(err.Error(), "template for application/json: "+want) {
			t.Errorf("%.20q: %v, want %s…", text, err, want)
		}
	}
	if err := errors.New("not of the language"); failure(err) != err {
		t.Error("an error of another kind is changed")
	}
}

// untouched fails the test when it is asked for anything.
type untouched struct{ *request }

func (untouched) Context(string) string { panic("$context was not named") }

func (untouched) StageVariables() map[string]string { panic("$stageVariables was not named") }

// A template asks for what it names, and does not parse a body that it does not look into.
func TestRender_isLazy(t *testing.T) {
	x := compiled(t, "#if($input.params('a') == '1')$input.body#else$util.urlEncode('b c')#end")
	out, err := x.Render(untouched{about(t, "", "", "")}, "{", &State{})
	if err != nil || string(out) != "b+c" {
		t.Errorf("%q %v", out, err)
	}
	d := document{text: `{"a":1}`}
	for range 2 {
		if v, err := d.find(&x.paths, "$.a"); err != nil || v.Text() != "1" {
			t.Error(v, err)
		}
		d.text = "parsed already"
	}
}

// A template keeps a bounded number of paths, and no memory of a request.
func TestRender_pathsThatATemplateMakesUp(t *testing.T) {
	x := compiled(t, "#foreach($i in [0..200])$!input.path(\"$[$i]\")#end")
	list := "[" + strings.Repeat("1,", 200) + "1]"
	var wg sync.WaitGroup
	for range 4 {
		in := about(t, "", "", "")
		wg.Go(func() {
			if out, err := x.Render(in, list, &State{}); err != nil || len(out) != 201 {
				t.Errorf("%q %v", out, err)
			}
		})
	}
	wg.Wait()
	if n := len(*x.paths.known.Load()); n == 0 || n > maxPaths {
		t.Errorf("%d paths are kept", n)
	}
}

// The limit skips elements in silence; the state tells where.
func TestRender_tellsOfLoopsThatWereCut(t *testing.T) {
	s, in := &State{}, about(t, "", "", "")
	for text, want := range map[string]int{"\n#foreach($i in [1..1001])#end": 2, "#foreach($i in [1..1000])#end": 0, "$input.body": 0} {
		if _, err := compiled(t, text).Render(in, "", s); err != nil || s.Cut != want {
			t.Errorf("%q: cut at line %d, want %d; %v", text, s.Cut, want, err)
		}
	}
}

func TestState(t *testing.T) {
	s, in := &State{}, about(t, "", "", "")
	if o := s.Request(); o.Header != nil || o.Path != nil || o.Query != nil || s.ResponseHeaders() != nil {
		t.Error("overrides before any")
	}
	if _, ok := s.Status(); ok {
		t.Error("a status before any")
	}
	request := compiled(t, `#set($context.requestOverride.header.X-A = "a")#set($context.requestOverride.header["X-B"] = ["1", 2])
		#set($n = $context.requestOverride.querystring.put("q", 5))#set($context.requestOverride.path.id = "7")
		#set($context.responseOverride.header.X-Early = "")#set($context.responseOverride.custom = "kept")#set($n = $context.requestOverride.header.put("none", $null.x))`)
	if _, err := request.Render(in, "", s); err != nil {
		t.Fatal(err)
	}
	o := s.Request()
	if got, want := fmt.Sprint(o.Header, o.Query, o.Path, s.ResponseHeaders()), "[{X-A [a]} {X-B [1 2]} {none []}] [{q [5]}] [{id [7]}] [{X-Early []}]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if o.Header[1].Joined() != "1,2" {
		t.Error(o.Header[1].Joined())
	}
	// The response template sees them, and may write what the request template wrote.
	response := compiled(t, `$context.responseOverride.custom $context.requestOverride.header.X-A#set($context.responseOverride.header.X-Early = "late")#set($context.responseOverride.status = 404)`)
	out, err := response.Render(in, "", s)
	if err != nil || string(out) != "kept a" {
		t.Errorf("%q %v", out, err)
	}
	if status, ok := s.Status(); status != 404 || !ok {
		t.Error(status, ok)
	}
	if h := s.ResponseHeaders(); len(h) != 1 || !slices.Equal(h[0].Values, []string{"late"}) {
		t.Error(h)
	}
	// What is no map or no value overrides nothing.
	if _, err := compiled(t, `#set($context.responseOverride.header = "none")#set($context.requestOverride.header = {"a": "b"})$context.requestOverride.header.put("n", $context.identity.user)`).Render(in, "", s); err != nil {
		t.Fatal(err)
	}
	if h := s.ResponseHeaders(); h != nil || len(s.Request().Header) == 0 {
		t.Error(h, s.Request())
	}
	if _, err := compiled(t, `#set($x = $context.responseOverride.header)`).Render(in, "", s); err != nil {
		t.Error(err)
	}
	for status, want := range map[string]bool{"200": true, "199": false, "599": true, "'404'": true, "99": false, "600": false, "'x'": false, "4.5": false, "[]": false} {
		s := &State{}
		if _, err := compiled(t, "#set($context.responseOverride.status = "+status+")").Render(in, "", s); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Status(); ok != want {
			t.Errorf("%s is a status: %v", status, ok)
		}
	}
}

// An override outlives its template, and what it holds is no other request's.
func TestState_keepsWhatAnOverrideHolds(t *testing.T) {
	x := compiled(t, "#set($context.requestOverride.header.X = $input.path('$.list'))$input.path('$.list')")
	other := compiled(t, "$input.path('$.list')")
	first, in := &State{}, about(t, "", "", "")
	for _, s := range []*State{first, {}, {}} {
		for _, template := range []*Template{other, x, other} {
			body := `{"list":["mine","too"]}`
			if s != first {
				body = `{"list":["another's","and more"]}`
			}
			if _, err := template.Render(in, body, s); err != nil {
				t.Fatal(err)
			}
		}
	}
	if o := first.Request(); len(o.Header) != 1 || o.Header[0].Joined() != "mine,too" {
		t.Error(o)
	}
}

func BenchmarkRender(b *testing.B) {
	in := about(b, `{"path":{"id":"7"}}`, `{"requestId":"r"}`, "")
	for name, text := range map[string]string{
		"literal": `{"statusCode": 200}`, "passthrough": "$input.json('$')", "path": `{"id": "$input.params('id')", "name": $input.json('$.name')}`,
		"context": `{"request": "$context.requestId"}`, "loop": "[#foreach($i in $input.path('$.items'))$i.n#if($foreach.hasNext),#end#end]",
	} {
		b.Run(name, func(b *testing.B) {
			x := compiled(b, text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Render(in, `{"name":"Rex","items":[{"n":1},{"n":2}]}`, &State{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
