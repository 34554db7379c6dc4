package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write what the documents of testdata give")

func options() Options {
	return Options{APIID: "api1", BasePath: Ignore, AccountID: "111122223333", Partition: "aws", Region: "eu-west-1", URLSuffix: "amazonaws.com"}
}

// shown is a result as text: the definition as JSON, then warnings and faults line by line.
func shown(def *Definition, warnings []Warning, err error) string {
	var b bytes.Buffer
	if def != nil {
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		_ = e.Encode(def)
	}
	for _, w := range warnings {
		fmt.Fprintln(&b, "warning:", w)
	}
	if err != nil {
		fmt.Fprintln(&b, "error:", err)
	}
	return b.String()
}

// TestDocuments compares what each document of testdata gives with the file .want beside it.
func TestDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/*.*[ln]") // .yaml, .json
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, "testdata/"), func(t *testing.T) {
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := shown(Parse(document, options()))
			if *update {
				if err := os.WriteFile(file+".want", []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestBasePath(t *testing.T) {
	swagger := func(base string) string {
		return `{"swagger":"2.0","basePath":"` + base + `","paths":{"/e":{}}}`
	}
	openapi := func(servers string) string {
		return `{"openapi":"3.0.1","servers":[` + servers + `],"paths":{"/e":{}}}`
	}
	const variable = `{"url":"https://a.com/x/y","variables":{"basePath":{"default":"/v/w"}}}`
	tests := []struct{ name, document, ignore, prepend, split string }{
		{"swagger", swagger("/a/b/c"), "/e", "/a/b/c/e", "/b/c/e"},
		{"swagger_one_segment", swagger("/a"), "/e", "/a/e", "/e"},
		{"swagger_none", swagger(""), "/e", "/e", "/e"},
		{"url", openapi(`{"url":"https://a.com/base-url/part/"}`), "/e", "/base-url/part/e", "/part/e"},
		{"url_without_path", openapi(`{"url":"https://a.com"}`), "/e", "/e", "/e"},
		{"relative_url", openapi(`{"url":"/base/part"}`), "/e", "/base/part/e", "/part/e"},
		{"variable_that_is_not_referred_to", openapi(variable), "/e", "/v/w/e", "/w/e"},
		{"first_variable", openapi(`{"url":"https://b.com/z"},` + variable), "/e", "/v/w/e", "/w/e"},
		{"variable_in_url", openapi(`{"url":"https://a.com/{stage}/p","variables":{"stage":{"default":"s"}}}`), "/e", "/s/p/e", "/p/e"},
		{"no_server", openapi(``), "/e", "/e", "/e"},
	}
	for _, tt := range tests {
		for mode, want := range map[BasePath]string{Ignore: tt.ignore, Prepend: tt.prepend, Split: tt.split} {
			t.Run(tt.name+"/"+string(mode), func(t *testing.T) {
				o := options()
				o.BasePath = mode
				def, _, err := Parse([]byte(tt.document), o)
				if err != nil || def.Paths[0].Path != want {
					t.Errorf("got %v, %v, want %s", def, err, want)
				}
			})
		}
	}
}

func TestInvalid(t *testing.T) {
	tests := []struct{ name, document, want string }{
		{"empty", "", "Invalid OpenAPI input."},
		{"text", "hello", "Invalid OpenAPI input."},
		{"list", "[]", "Invalid OpenAPI input."},
		{"broken JSON", `{"openapi":"3.0.1"`, "Invalid OpenAPI input."},
		{"more JSON", `{"openapi":"3.0.1"} {}`, "Invalid OpenAPI input."},
		{"broken YAML", "a:\n\t- b: ]", "Invalid OpenAPI input."},
		{"two documents", "openapi: 3.0.1\n---\na: 1", "Invalid OpenAPI input."},
		{"complex key", "? [a]\n: b", "Invalid OpenAPI input."},
		{"neither", `{"info":{}}`, "Invalid OpenAPI input."},
		{"too new", `{"openapi":"3.1.0"}`, "Errors found during import:\nUnsupported version '3.1.0'. The supported versions are Swagger 2.0 and OpenAPI 3.0."},
		{"paths", `{"openapi":"3.0.0","paths":[]}`, "Errors found during import:\nInvalid format for 'paths'. Expected type object but got '[...]'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, _, err := Parse([]byte(tt.document), options()); err == nil || err.Error() != tt.want {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestFormsAgree: the same document in JSON, in YAML and with a byte order mark gives the same.
func TestFormsAgree(t *testing.T) {
	yaml := "openapi: 3.0.1\ninfo:\n  title: a\n  version: 1.10\npaths:\n  /a:\n    get:\n      responses:\n        200: {}\n      x-amazon-apigateway-integration:\n        type: mock\n        timeoutInMillis: 1000\ncomponents:\n  schemas:\n    M: {type: object, maxProperties: 3, exclusiveMinimum: true, default: null, multipleOf: 0.5}\n"
	text := `{"openapi":"3.0.1","info":{"title":"a","version":1.10},"paths":{"/a":{"get":{"responses":{"200":{}},"x-amazon-apigateway-integration":{"type":"mock","timeoutInMillis":1000}}}},"components":{"schemas":{"M":{"type":"object","maxProperties":3,"exclusiveMinimum":true,"default":null,"multipleOf":0.5}}}}`
	want := shown(Parse([]byte(text), options()))
	for _, document := range []string{yaml, "\ufeff" + yaml, "\ufeff  " + text, text[:len(text)-1] + ",}"} {
		if got := shown(Parse([]byte(document), options())); got != want {
			t.Errorf("%q gives\n%s\nnot\n%s", document, got, want)
		}
	}
	if !strings.Contains(want, `"version": "1.10"`) || !strings.Contains(want, `\"multipleOf\":0.5`) {
		t.Error(want)
	}
}

func TestNumbersOfYAML(t *testing.T) {
	root, err := decodeYAML([]byte("a: 0x10\nb: 1_000\nc: .5\nd: yes\ne: ~\nf: 2001-01-01\ng: True\nh: 07"))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"a": "16", "b": "1000", "c": ".5", "d": "yes", "e": "", "f": "2001-01-01", "g": "true", "h": "7"} {
		if got := root.get(key).text; got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

// TestBounds: documents that would grow or nest without end are refused; without bounds, the test would not end.
func TestBounds(t *testing.T) {
	bomb := "openapi: 3.0.1\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'm'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	texts := "openapi: 3.0.1\na: &a " + strings.Repeat("x", 1<<20) + "\nb: [" + strings.TrimSuffix(strings.Repeat("*a,", 100), ",") + "]\n"
	operations := &strings.Builder{}
	for i := range 50000 {
		fmt.Fprintf(operations, `"/%d":{"get":{"parameters":[{"$ref":"#/components/parameters/P"}],"responses":{"200":{"$ref":"#/components/responses/R"}}}},`, i)
	}
	headers := strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("h", 50)+`%d":{},`, 20000), ",")
	for i := range 20000 {
		headers = strings.Replace(headers, "%d", fmt.Sprint(i), 1)
		if i == 500 { // enough different ones
			break
		}
	}
	referred := `{"openapi":"3.0.1","paths":{` + strings.TrimSuffix(operations.String(), ",") + `},"components":{"parameters":{"P":{"in":"query","name":"` +
		strings.Repeat("n", 10000) + `"}},"responses":{"R":{"headers":{` + headers + `}}}}}`
	tests := []struct{ name, document string }{
		{"nested_json", `{"openapi":"3.0.1","a":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `}`},
		{"nested_yaml", "openapi: 3.0.1\na: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)},
		{"many_values", `{"openapi":"3.0.1","a":[` + strings.Repeat("1,", 2_000_000) + `1]}`},
		{"many_yaml_values", "openapi: 3.0.1\na: [" + strings.Repeat("1,", 2_000_000) + "1]"},
		{"aliases", bomb},
		{"long_aliases", texts},
		{"alias_of_itself", "openapi: 3.0.1\na: &a [*a, *a]"},
		{"references", referred},
		{"too_long", `{"openapi":"3.0.1","a":"` + strings.Repeat("x", 8<<20) + `"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, _, err := Parse([]byte(tt.document), options())
			var faults Faults
			if !errors.As(err, &faults) && !errors.Is(err, ErrInvalid) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestManyTexts: one wrong habit on every line does not make an answer that nobody can carry.
func TestManyTexts(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, `"bad%d":{},"/p%d":{"trace":{}},`, i, i)
	}
	_, warnings, err := Parse([]byte(`{"swagger":"2.0","paths":{`+strings.TrimSuffix(b.String(), ",")+`}}`), options())
	var faults Faults
	if !errors.As(err, &faults) || len(faults) != maxTexts || len(warnings) != maxTexts {
		t.Errorf("%d faults, %d warnings", len(faults), len(warnings))
	}
}

func TestInlineModelsKeepApart(t *testing.T) {
	document := `{"swagger":"2.0","paths":{"/a":{"get":{"responses":{"200":{"schema":{"type":"string"}},"201":{"schema":{"type":"string"}},"202":{"schema":{"type":"array","items":{"$ref":"#/definitions/X"}}}}}}},
"definitions":{"X":{"type":"object"},"ArrayOfX":{"type":"string"}}}`
	def, _, err := Parse([]byte(document), options())
	if err != nil {
		t.Fatal(err)
	}
	r := def.Paths[0].Methods[0].MethodResponses.Entries
	a, b, c := r["200"].ResponseModels.Entries["application/json"], r["201"].ResponseModels.Entries["application/json"], r["202"].ResponseModels.Entries["application/json"]
	if a != b || !strings.HasPrefix(a, "MODEL") || !strings.HasPrefix(c, "MODEL") || len(def.Models) != 4 {
		t.Errorf("%s %s %s %v", a, b, c, def.Models)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.*[ln]")
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(document)
	}
	f.Add([]byte("openapi: 3.0.1\na: &a [*a, *a]\n<<: *a"))
	f.Add([]byte(`{"swagger":"2.0","paths":{"/":{"$ref":"#/paths/~1"}},"definitions":{"A":{"$ref":"#/definitions/A"}}}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		def, _, err := Parse(document, options())
		if (def == nil) == (err == nil) {
			t.Errorf("%v and %v", def, err)
		}
		if def == nil {
			return
		}
		for _, m := range def.Models {
			if !json.Valid([]byte(m.GetSchema())) {
				t.Errorf("model %s is no JSON: %s", m.GetName(), m.GetSchema())
			}
		}
		if size := len(shown(def, nil, nil)); size > 200<<20 {
			t.Errorf("%d bytes grew to %d", len(document), size)
		}
	})
}
