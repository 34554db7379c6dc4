package schema

import (
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

// TestCases runs the cases of this package: a model, others that it refers to, and bodies with what is wrong with them.
func TestCases(t *testing.T) {
	for _, c := range casetest.Read[struct {
		Name   string
		Schema json.RawMessage
		Models map[string]json.RawMessage
		Tests  []struct{ Body, Failures string }
	}](t, filepath.Join("testdata", "cases.json")) {
		t.Run(c.Name, func(t *testing.T) {
			models := map[string]string{"Model": string(c.Schema)}
			for name, text := range c.Models {
				models[name] = string(text)
			}
			s := compile(t, models, "Model")
			for _, test := range c.Tests {
				f := s.Check(test.Body)
				if got := f.String(); got != test.Failures && (f != nil || test.Failures != "") {
					t.Errorf("%.200s on %.200s:\n got %s\nwant %s", c.Schema, test.Body, got, test.Failures)
				}
				if s.Valid(test.Body) != (test.Failures == "") {
					t.Errorf("%.200s on %.200s: Valid and Check differ", c.Schema, test.Body)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range casetest.Read[struct {
		Schema, Error string
		Models        map[string]string
	}](t, filepath.Join("testdata", "errors.json")) {
		models := map[string]string{"Model": c.Schema}
		for name, text := range c.Models {
			models[name] = text
		}
		_, err := tryCompile(models, "Model")
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), c.Error) {
			t.Errorf("%.200s:\n got %v\nwant %s", c.Schema, err, c.Error)
		}
	}
	for text, want := range map[string]string{
		`{"a":"` + "\xff" + `"}`:                              "schema at 6: invalid UTF-8",
		`{"a":"` + strings.Repeat("a", maxLength) + `"}`:      "schema at 409600: schema is too long",
		strings.Repeat(`{"not":`, 1001):                       "schema at 7000: nested too deeply",
		`{"title":"é","properties":{"a":{"type":["x"]}}}`[:9]: "schema at 9: unexpected end",
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%.30s: got %v, want %s", text, err, want)
		}
	}
	if _, err := (Models{API: api}).Compile("Nope"); err == nil || err.Error() != "model Nope at 0: there is no such model" {
		t.Error(err)
	}
}

// TestKnownGaps: where our words are not the service's. An entry that no longer differs must go.
func TestKnownGaps(t *testing.T) {
	for _, c := range casetest.Read[struct {
		Schema                json.RawMessage
		Body, Service, Reason string
	}](t, filepath.Join("testdata", "gaps.json")) {
		if c.Reason == "" {
			t.Errorf("%s: no reason", c.Schema)
		}
		if got := compile(t, map[string]string{"Model": string(c.Schema)}, "Model").Check(c.Body).String(); got == c.Service {
			t.Errorf("%s: the gap is closed (%s)", c.Schema, c.Reason)
		}
	}
}

func TestFailure(t *testing.T) {
	s := compile(t, map[string]string{"Model": `{"properties":{"a/b~":{"items":{"type":"string"}}}}`}, "Model")
	f := s.Check(`{"a/b~":["x",1]}`)
	if len(f) != 1 || f[0].Pointer != "/a~1b~0/1" || f[0].Keyword != "type" || f[0].Detail != "" {
		t.Errorf("%+v", f)
	}
	if f := s.Check(`{"a":`); len(f) != 1 || f[0].Detail != "invalid JSON at 5: unexpected end" || f[0].Keyword != "" {
		t.Errorf("%+v", f)
	}
	if f := s.Check("\"\xff\""); len(f) != 1 || f[0].Detail != "invalid JSON at 1: invalid UTF-8" {
		t.Errorf("%+v", f)
	}
}

// TestBounds: whatever the model and the body, judging ends soon.
func TestBounds(t *testing.T) {
	chain := func(n int) string { return strings.Repeat(`{"a":`, n) + `{"b":1}` + strings.Repeat("}", n) }
	for _, c := range []struct {
		name, schema, body string
		judged             bool
	}{
		{"a schema that applies itself twice", `{"properties":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]},"b":{"type":"string"}}}`, chain(60), false},
		{"the same on a shallow body", `{"properties":{"a":{"anyOf":[{"$ref":"#"},{"$ref":"#"}]},"b":{"type":"string"}}}`, chain(6), true},
		{"a schema that applies itself once", `{"properties":{"a":{"$ref":"#"},"b":{"type":"string"}}}`, chain(900), true},
		{"patterns that apply it twice", `{"patternProperties":{"a":{"$ref":"#"},"a|b":{"$ref":"#"}}}`, chain(60), false},
		{"a large body", `{"items":{"type":"object","required":["id"],"properties":{"id":{"type":"integer"}}}}`, "[" + strings.Repeat(`{"id":1,"name":"a name","tags":["x","y"]},`, 80_000) + `{}]`, true},
		{"a large body and many alternatives", `{"items":{"anyOf":[` + strings.Repeat(`{"type":"object"},`, 2000) + `{"type":"string"}]}}`, "[" + strings.Repeat("1,", 100_000) + "1]", false},
		{"a pattern that goes back without end", `{"pattern":"^(?=(a+)+$)b"}`, `"` + strings.Repeat("a", 5000) + `!"`, true},
		{"a pattern that does so on the backtracking engine", `{"items":{"pattern":"^(x+x+)+(?=y)"}}`, `["` + strings.Repeat("x", 40) + `"]`, true},
		{"unique elements", `{"uniqueItems":true}`, "[" + strings.Repeat(`"abcdef",`, 100_000) + "1]", true},
		{"one long string", `{"pattern":"^(a|aa)+$"}`, `"` + strings.Repeat("a", 4<<20) + `!"`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := compile(t, map[string]string{"Model": c.schema}, "Model")
			f := s.Check(c.body) // without bounds, it would not come back
			if f == nil || (f[0].Message != unreadable) != c.judged {
				t.Errorf("%.200s", f)
			}
		})
	}
}

const pet = `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["id","name"],"properties":{"id":{"type":"integer","minimum":1},"name":{"type":"string","minLength":1,"maxLength":64},"kind":{"enum":["dog","cat"]},"tags":{"type":"array","items":{"$ref":"https://apigateway.amazonaws.com/restapis/abcde12345/models/Tag"}}}}`

var petModels = map[string]string{"Pet": pet, "Tag": `{"type":"string","pattern":"^[a-z]+$"}`}

func TestConcurrentUse(t *testing.T) {
	s := compile(t, petModels, "Pet")
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if f := s.Check(`{"id":0,"name":"","kind":"cow","tags":["X"]}`); len(f) != 3 {
					t.Error(f)
				}
			}
		})
	}
	group.Wait()
}

func FuzzCheck(f *testing.F) {
	f.Add(pet, `{"id":1,"name":"x","tags":["a"]}`)
	f.Add(`{"allOf":[{"$ref":"#/definitions/a"},{"not":{"enum":[1]}}],"definitions":{"a":{"oneOf":[{"type":"integer"},{"maximum":5}]}}}`, `1.0`)
	f.Add(`{"patternProperties":{"^a":{"minimum":1,"exclusiveMinimum":true}},"dependencies":{"a":["b"],"c":{"maxProperties":1}},"additionalProperties":false}`, `{"a":1,"c":2}`)
	f.Add(`{"items":[{"format":"ipv4"},{"format":"date-time"}],"additionalItems":false,"uniqueItems":true,"minItems":1}`, `["x",1e5,null]`)
	f.Add(`{"properties":{"a":{"$ref":"#"}},"multipleOf":0.1}`, `{"a":{"a":3}}`)
	f.Fuzz(func(t *testing.T, text, body string) {
		s, err := tryCompile(map[string]string{"Pet": text, "Tag": petModels["Tag"]}, "Pet")
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Position < 0 || e.Position > len(text) {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		got := s.Check(body)
		if again := s.Check(body); again.String() != got.String() {
			t.Fatalf("%q on %q: %s, and then %s", text, body, got, again)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	s := compile(b, petModels, "Pet")
	for name, body := range map[string]string{"valid": `{"id":1,"name":"Rex","kind":"dog","tags":["good","small"]}`, "invalid": `{"id":0,"name":"","kind":"cow","tags":["X"]}`} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Check(body)
			}
		})
	}
}

// BenchmarkLibrary is the part of BenchmarkCheck that is not ours.
func BenchmarkLibrary(b *testing.B) {
	s := compile(b, petModels, "Pet")
	instance, _, err := decode(`{"id":1,"name":"Rex","kind":"dog","tags":["good","small"]}`)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.root.Validate(instance); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		compile(b, petModels, "Pet")
	}
}

// TestBadInput: numbers, nesting and sizes that nobody sends by accident.
func TestBadInput(t *testing.T) {
	const numbers = `{"multipleOf":0.01,"minimum":-1e300,"maximum":1e300}`
	for _, c := range []struct{ name, schema, body string }{
		{"an exponent beyond all", numbers, "1e999999999"},
		{"an exponent below all", numbers, "1e-999999999"},
		{"a number of a million digits", numbers, strings.Repeat("9", 1_000_000)},
		{"a fraction of a million digits", numbers, "0." + strings.Repeat("9", 1_000_000)},
		{"the same exponents compared", `{"enum":[1e999999999]}`, "1e999999998"},
		{"the same exponents among unique elements", `{"uniqueItems":true}`, "[1e999999999,1e999999998]"},
		{"nesting", `{"items":{"$ref":"#"}}`, strings.Repeat("[", 1_000_000)},
		{"broken UTF-8 in a key", `{}`, "{\"\xff\":1}"},
		{"a document of 10 MB", `{"items":{"type":"integer"}}`, "[" + strings.Repeat(`"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",`, 250_000) + `1]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := tryCompile(map[string]string{"Model": c.schema}, "Model")
			if err != nil {
				t.Skip(err) // the model is refused
			}
			for _, f := range s.Check(c.body) {
				if f.Message == "" {
					t.Errorf("%+v", f)
				}
			}
		})
	}
}
