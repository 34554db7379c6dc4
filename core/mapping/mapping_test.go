package mapping

import (
	"strings"
	"testing"
)

func TestURI(t *testing.T) {
	stage := func(n string) string { return map[string]string{"host": "b.example:81", "v": "v1"}[n] }
	param := func(n string) (string, bool) {
		v, ok := map[string]string{"id": "7/8", "proxy": "a/b"}[n]
		return v, ok
	}
	escape := func(dst []byte, s string) []byte { return append(dst, strings.ReplaceAll(s, "/", "%2F")...) }
	tests := []struct {
		text, want string
		static     bool
	}{
		{"http://a/b?c=d", "http://a/b?c=d", true},
		{"http://${stageVariables.host}/${stageVariables.v}/x", "http://b.example:81/v1/x", false},
		{"http://${stageVariables.none}/x", "http:///x", false},
		{"http://a/{id}/{other}", "http://a/7%2F8/{other}", false},
		{"http://a/{proxy+}", "http://a/a%2Fb", false},
		{"http://a/${other.x}/{}/{a b}", "http://a/${other.x}/{}/{a b}", true},
		{"http://a/${stageVariables.x", "http://a/${stageVariables.x", true},
		{"", "", true},
	}
	for _, tt := range tests {
		u := ParseURI(tt.text)
		if got := string(u.Append(nil, stage, param, escape)); got != tt.want || u.IsStatic() != tt.static || u.Text() != tt.text {
			t.Errorf("%s: %q static %v", tt.text, got, u.IsStatic())
		}
	}
	u := ParseURI("x{id}")
	if got := string(u.Append(nil, stage, param, nil)); got != "x7/8" || !u.HasParams() || ParseURI("x").HasParams() {
		t.Error(got)
	}
}

func TestTemplates_ForRequest(t *testing.T) {
	some, err := CompileTemplates(map[string]string{"application/json": "j", "application/xml": "x"})
	if err != nil {
		t.Fatal(err)
	}
	withDefault, err := CompileTemplates(map[string]string{"$default": "d"})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name              string
		templates         *Templates
		contentType, pass string
		text              string
		choice            Choice
	}{
		{"match", some, "application/XML; charset=utf-8", Never, "x", Transform},
		{"absent content type is json", some, "", WhenNoMatch, "j", Transform},
		{"no match passes", some, "text/plain", WhenNoMatch, "", PassThrough},
		{"no match, templates exist", some, "text/plain", WhenNoTemplates, "", Unsupported},
		{"no match, never", some, "text/plain", Never, "", Unsupported},
		{"none", nil, "text/plain", WhenNoMatch, "", PassThrough},
		{"none, when no templates", nil, "text/plain", WhenNoTemplates, "", PassThrough},
		{"none, never", nil, "", Never, "", Unsupported},
		{"default key", withDefault, "text/plain", Never, "d", Transform},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, choice := tt.templates.ForRequest(tt.contentType, tt.pass)
			text := ""
			if got != nil {
				text = rendered(t, got)
			}
			if text != tt.text || choice != tt.choice {
				t.Errorf("%q %v", text, choice)
			}
		})
	}
}

func TestTemplates_ForResponse(t *testing.T) {
	both, _ := CompileTemplates(map[string]string{"application/json": "j", "application/xml": "x"})
	one, _ := CompileTemplates(map[string]string{"text/a": "a", "text/b": "b"})
	for accept, want := range map[string]string{"": "j", "application/xml;q=0.1, a/b": "x", "text/html": "j", "*/*": "j"} {
		if got := rendered(t, both.ForResponse(accept)); got != want {
			t.Errorf("%q: %q", accept, got)
		}
	}
	if rendered(t, one.ForResponse("x/y")) != "a" || (*Templates)(nil).ForResponse("") != nil {
		t.Error("first template")
	}
}

// rendered is the output of a template that is text alone.
func rendered(t *testing.T, of *Template) string {
	t.Helper()
	out, err := of.Render(nil, "", nil)
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

func TestMediaTypes_Match(t *testing.T) {
	tests := []struct {
		types MediaTypes
		value string
		want  bool
	}{
		{nil, "image/png", false},
		{MediaTypes{"image/png"}, "image/PNG; q=1", true},
		{MediaTypes{"image/*"}, "image/gif,text/html", true},
		{MediaTypes{"image/*"}, "text/html,image/gif", false},
		{MediaTypes{"*/*"}, "", true},
		{MediaTypes{"*/test"}, "*/test", false},
		{MediaTypes{"*/test"}, "image/test", false},
		{MediaTypes{"image/png"}, "", false},
		{MediaTypes{""}, "", false},
	}
	for _, tt := range tests {
		if got := tt.types.Match(tt.value); got != tt.want {
			t.Errorf("%v %q: %v", tt.types, tt.value, got)
		}
	}
}

// TestBodies is spec/rest.md 4.6, row by row.
func TestBodies(t *testing.T) {
	list := MediaTypes{"image/png"}
	raw, b64 := "\xff\x00", "/wA="
	request := []struct {
		types                       MediaTypes
		body, contentType, handling string
		want                        string
		ok                          bool
	}{
		{nil, raw, "image/png", "", "\uFFFD\x00", true},
		{nil, raw, "image/png", ConvertToText, "\uFFFD\x00", true},
		{nil, b64, "x/y", ConvertToBinary, raw, true},
		{nil, "?", "x/y", ConvertToBinary, "", false},
		{list, "text", "text/plain", "", "text", true},
		{list, b64, "text/plain", ConvertToBinary, raw, true},
		{list, raw, "image/png", "", raw, true},
		{list, raw, "image/png", ConvertToBinary, raw, true},
		{list, raw, "image/png", ConvertToText, b64, true},
	}
	for _, tt := range request {
		if got, ok := tt.types.RequestBody([]byte(tt.body), tt.contentType, tt.handling); ok != tt.ok || ok && string(got) != tt.want {
			t.Errorf("request %v %q %s %s: %q %v", tt.types, tt.body, tt.contentType, tt.handling, got, ok)
		}
		if got, want := tt.types.RequestIsText(tt.contentType, tt.handling), tt.want != raw && tt.ok; got != want {
			t.Errorf("request %v %s %s is text: %v", tt.types, tt.contentType, tt.handling, got)
		}
	}
	response := []struct {
		types                               MediaTypes
		body, contentType, accept, handling string
		want                                string
	}{
		{nil, raw, "image/png", "image/png", "", "\uFFFD\x00"},
		{nil, b64, "a/b", "a/b", ConvertToBinary, raw},
		{list, b64, "a/b", "a/b", "", b64},
		{list, b64, "a/b", "a/b", ConvertToBinary, raw},
		{list, b64, "a/b", "a/b", ConvertToText, b64},
		{list, b64, "a/b", "image/png", "", raw},
		{list, b64, "a/b", "image/png", ConvertToBinary, raw},
		{list, b64, "a/b", "image/png", ConvertToText, b64},
		{list, raw, "image/png", "a/b", "", b64},
		{list, raw, "image/png", "a/b", ConvertToBinary, raw},
		{list, raw, "image/png", "a/b", ConvertToText, b64},
		{list, raw, "image/png", "image/png", "", raw},
		{list, raw, "image/png", "image/png", ConvertToText, b64},
	}
	for _, tt := range response {
		if got, ok := tt.types.ResponseBody([]byte(tt.body), tt.contentType, tt.accept, tt.handling); !ok || string(got) != tt.want {
			t.Errorf("response %v %q %s %s %s: %q %v", tt.types, tt.body, tt.contentType, tt.accept, tt.handling, got, ok)
		}
		if got, want := tt.types.ResponseIsText(tt.accept, tt.handling), tt.want != raw; got != want {
			t.Errorf("response %v %s %s is text: %v", tt.types, tt.accept, tt.handling, got)
		}
	}
}

// TestToText uses the examples of Unicode table 3-8.
func TestToText(t *testing.T) {
	for in, want := range map[string]string{
		"plain é":                              "plain é",
		"\xF1\x80\x80\xE1\x80\xC2\x62\x80\x63": "\uFFFD\uFFFD\uFFFDb\uFFFDc",
		"\xED\xA0\x80":                         "\uFFFD\uFFFD\uFFFD",
		"\xE0\x80\x80":                         "\uFFFD\uFFFD\uFFFD",
		"\xF0\x90\x80":                         "\uFFFD",
		"\xF4\x90\x80\x80":                     "\uFFFD\uFFFD\uFFFD\uFFFD",
		"\xC0\xAF\xFF":                         "\uFFFD\uFFFD\uFFFD",
		"a\uFFFDb\xff":                         "a\uFFFDb\uFFFD",
	} {
		if got := string(ToText([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
