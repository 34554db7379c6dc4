package jsonpath

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

// pathCase is a case in the format of conformance/README.md; the own cases of this package have the same form.
type pathCase struct {
	casetest.About
	Input struct {
		Document json.RawMessage
		Path     string
	}
	Expect struct {
		Definite *bool
		Value    json.RawMessage
		Error    string
	}
	Disputed, ExpectByVersion json.RawMessage
}

func TestConformance(t *testing.T) {
	casetest.Judge(t, "jsonpath", func(t *testing.T, c pathCase) {
		if c.Disputed != nil {
			t.Skip("disputed: versions of the library differ")
		}
		c.judge(t)
	})
}

// TestCases runs the cases of this package.
func TestCases(t *testing.T) {
	for _, c := range casetest.Read[pathCase](t, filepath.Join("testdata", "cases.json")) {
		t.Run(c.Name+"/"+c.Input.Path, c.judge)
	}
}

func (c pathCase) judge(t *testing.T) {
	document, err := ParseJSON(string(c.Input.Document))
	if err != nil {
		t.Fatal(err)
	}
	want := ""
	if c.Expect.Error == "" {
		v, err := ParseJSON(string(c.Expect.Value))
		if err != nil {
			t.Fatalf("the value that the case expects: %v", err)
		}
		want = v.String()
	}
	p, err := Compile(c.Input.Path)
	if err == nil {
		if c.Expect.Definite != nil && p.Definite() != *c.Expect.Definite {
			t.Errorf("%s: definite is %v", c.Input.Path, p.Definite())
		}
		var v Value
		if v, err = p.Eval(document); err == nil {
			if got := v.String(); c.Expect.Error != "" || got != want {
				t.Errorf("%s:\n got %s\nwant %s%s\non %s", c.Input.Path, got, want, c.Expect.Error, document)
			}
			return
		}
	}
	if got := wireName(err); got != c.Expect.Error {
		t.Errorf("%s:\n got %v\nwant %s%s\non %s", c.Input.Path, err, want, c.Expect.Error, document)
	}
}

func wireName(err error) string {
	return map[Code]string{InvalidPath: "invalid-path", PathNotFound: "path-not-found", Failed: "failed", TooComplex: "too-complex", InvalidJSON: "invalid-json"}[err.(*Error).Code]
}
