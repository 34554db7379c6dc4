package schema

import (
	"encoding/json"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

// vector is a case of the area json-schema-draft4 in the format of conformance/README.md.
type vector struct {
	casetest.About
	Input  struct{ Schema json.RawMessage }
	Expect struct {
		Tests []struct {
			What  string
			Data  json.RawMessage
			Valid *bool
		}
	}
}

func TestConformance(t *testing.T) {
	casetest.Judge(t, "json-schema-draft4", func(t *testing.T, c vector) { c.judge(t) })
}

func (c vector) judge(t *testing.T) {
	s := compile(t, map[string]string{"Model": string(c.Input.Schema)}, "Model")
	if len(c.Expect.Tests) == 0 {
		t.Error("the case tests nothing")
	}
	for _, test := range c.Expect.Tests {
		switch f := s.Check(string(test.Data)); {
		case test.Valid == nil || test.Data == nil:
			t.Errorf("%s: a test wants data, and valid", test.What)
		case (f == nil) != *test.Valid:
			t.Errorf("%s, %s: got %s, want valid %v: %s on %s", c.What, test.What, f, *test.Valid, c.Input.Schema, test.Data)
		}
	}
}

const api = "abcde12345"

func compile(t testing.TB, models map[string]string, name string) *Schema {
	t.Helper()
	s, err := tryCompile(models, name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func tryCompile(models map[string]string, name string) (*Schema, error) {
	m := Models{API: api, Documents: map[string]*Document{}}
	for name, text := range models {
		d, err := Parse(text)
		if err != nil {
			return nil, err
		}
		m.Documents[name] = d
	}
	return m.Compile(name)
}
