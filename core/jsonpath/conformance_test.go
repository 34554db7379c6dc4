package jsonpath

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// pathCase is a case in the format of conformance/README.md; the own cases of this package have the same form.
type pathCase struct {
	Name  string
	Input struct {
		Document json.RawMessage
		Path     string
	}
	Expect          *pathExpect
	Disputed        bool
	ExpectByVersion map[string]*pathExpect
}

type pathExpect struct {
	Definite *bool
	Value    json.RawMessage
	Error    string
}

// newest is the library version that a disputed case is judged by: this package follows the newest.
const newest = "3.0.0-SNAPSHOT"

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

func TestConformance(t *testing.T) {
	dir := os.Getenv("LIMEN_CONFORMANCE")
	if dir == "" {
		t.Skip("LIMEN_CONFORMANCE does not name the folder of the conformance cases")
	}
	passed, total, disputed, ofDisputed := 0, 0, 0, 0
	for _, c := range readCases[pathCase](t, filepath.Join(dir, "jsonpath", "cases.json")) {
		if c.Disputed {
			c.Expect = c.ExpectByVersion[newest]
		}
		ok := t.Run(c.Name, c.judge)
		if c.Disputed {
			ofDisputed++
			disputed += count(ok)
		} else {
			total++
			passed += count(ok)
		}
	}
	t.Logf("jsonpath: %d of %d; as the newest version in %d of %d disputed", passed, total, disputed, ofDisputed)
}

func count(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

// TestCases runs the cases of this package.
func TestCases(t *testing.T) {
	for _, c := range readCases[pathCase](t, filepath.Join("testdata", "cases.json")) {
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
			t.Fatal(err)
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
				t.Errorf("%s on %s:\n got %s\nwant %s%s", c.Input.Path, document, got, want, c.Expect.Error)
			}
			return
		}
	}
	if got := wireName(err); got != c.Expect.Error {
		t.Errorf("%s on %s:\n got %v\nwant %s%s", c.Input.Path, document, err, want, c.Expect.Error)
	}
}

func wireName(err error) string {
	return map[Code]string{InvalidPath: "invalid-path", PathNotFound: "path-not-found", Failed: "failed", TooComplex: "too-complex", InvalidJSON: "invalid-json"}[err.(*Error).Code]
}
