package schema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func readCases[T any](t *testing.T, path string) []T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []T }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(path, err)
	}
	if len(file.Cases) == 0 {
		t.Fatal(path, "has no cases")
	}
	return file.Cases
}

// vector is a case of the area json-schema-draft4 in the format of conformance/README.md.
type vector struct {
	Name, What string
	Input      struct{ Schema json.RawMessage }
	Expect     struct {
		Tests []struct {
			What  string
			Data  json.RawMessage
			Valid bool
		}
	}
}

func TestConformance(t *testing.T) {
	dir := os.Getenv("LIMEN_CONFORMANCE")
	if dir == "" {
		t.Skip("LIMEN_CONFORMANCE does not name the folder of the conformance cases")
	}
	passed, total := 0, 0
	for _, c := range readCases[vector](t, filepath.Join(dir, "json-schema-draft4", "cases.json")) {
		total++
		if t.Run(c.Name, c.judge) {
			passed++
		}
	}
	t.Logf("json-schema-draft4: %d of %d", passed, total)
}

func (c vector) judge(t *testing.T) {
	s := compile(t, map[string]string{"Model": string(c.Input.Schema)}, "Model")
	for _, test := range c.Expect.Tests {
		if f := s.Check(string(test.Data)); (f == nil) != test.Valid {
			t.Errorf("%s, %s: %s on %s: %s", c.What, test.What, c.Input.Schema, test.Data, f)
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

// TestValidation takes models and bodies out of the recorded cases of the area validation: what does not depend on methods.
func TestValidation(t *testing.T) {
	dir := os.Getenv("LIMEN_CONFORMANCE")
	if dir == "" {
		t.Skip("LIMEN_CONFORMANCE does not name the folder of the conformance cases")
	}
	type step struct {
		ID, Call string
		Params   struct{ Name, Schema string }
		Request  *struct {
			Method string
			Body   *struct{ JSON json.RawMessage }
		}
		Expect struct {
			Status any
			Body   struct{ JSON struct{ Message string } }
		}
	}
	judged := 0
	for _, c := range readCases[struct {
		Name  string
		Steps []step
	}](t, filepath.Join(dir, "validation", "cases.json")) {
		models, last := map[string]string{}, ""
		for _, s := range c.Steps {
			if s.Call == "apigateway.CreateModel" {
				last = s.Params.Name
				models[last] = strings.NewReplacer("{{s0.id}}", api, "{{s2.id}}", api).Replace(s.Params.Schema)
			}
		}
		compiled := compile(t, models, last)
		for _, s := range c.Steps {
			if s.Request == nil || strings.HasPrefix(s.Expect.Body.JSON.Message, "Missing required request parameters") {
				continue
			}
			body := ""
			if s.Request.Body != nil {
				body = string(s.Request.Body.JSON)
			}
			f := compiled.Check(body)
			if refused := s.Expect.Body.JSON.Message == "Invalid request body"; refused {
				judged++
				if f == nil {
					t.Errorf("%s, %s: %s is taken", c.Name, s.ID, body)
				}
			}
		}
	}
	t.Logf("validation: %d refused bodies judged", judged)
	if judged == 0 {
		t.Error("no body was judged")
	}
}
