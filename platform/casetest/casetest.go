// Package casetest gives tests of the packages that own a language their cases: their own from testdata, and those of a
// folder in the format of conformance/README.md that the environment names, because they are not ours to copy.
//
// The surprise: the runner in test/ may not import the product, so it reads a verdict from each subtest that Judge and
// JudgeLines start: it is named after its case, and what it reports is what differed.
package casetest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// folder is the variable that names the folder of cases.
const folder = "LIMEN_CONFORMANCE"

// About is what a case says about itself, and nothing that is judged.
type About struct {
	Name, What, Origin, Recorded, Evidence string
	Needs, Engines                         []string
	Backends                               json.RawMessage
}

// Read reads the cases of a file. A member that T has not ends the test.
func Read[T any](t testing.TB, path string) []T {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	for _, c := range written(t, path, text) {
		var x T
		if err := strict(c, &x); err != nil {
			t.Fatalf("%s: %v in %s", path, err, c)
		}
		cases = append(cases, x)
	}
	if len(cases) == 0 {
		t.Fatal(path, "has no cases")
	}
	return cases
}

// Judge runs the cases of an area that have no steps, each as a subtest that fails when the case has a member that T has
// not, and when judge panics. An area that the folder does not hold has no cases; without a folder the test is skipped.
func Judge[T any](t *testing.T, area string, judge func(*testing.T, T)) {
	t.Helper()
	path, text := conformance(t, area, "cases.json")
	if text == nil {
		return
	}
	for _, c := range written(t, path, text) {
		var about struct {
			Name  string
			Steps json.RawMessage
		}
		if _ = json.Unmarshal(c, &about); about.Steps != nil { // an unnamed case fails below
			continue
		}
		t.Run(about.Name, func(t *testing.T) {
			defer recovered(t)
			var x T
			if err := strict(c, &x); err != nil {
				t.Fatal("not a case of the format:", err)
			}
			judge(t, x)
		})
	}
}

// JudgeLines is Judge for the lines of the area's cases.jsonl; their names are taken to be of the area.
func JudgeLines(t *testing.T, area string, judge func(t *testing.T, line string)) {
	t.Helper()
	_, text := conformance(t, area, "cases.jsonl")
	for line := range strings.Lines(string(text)) {
		var about struct{ Name string }
		_ = json.Unmarshal([]byte(line), &about) // an unnamed line fails when it is judged
		t.Run(area+"/"+about.Name, func(t *testing.T) {
			defer recovered(t)
			judge(t, line)
		})
	}
}

func recovered(t *testing.T) {
	if p := recover(); p != nil {
		t.Errorf("panic: %v", p)
	}
}

func conformance(t *testing.T, area, file string) (path string, text []byte) {
	t.Helper()
	dir := os.Getenv(folder)
	if dir == "" {
		t.Skipf("%s does not name the folder of the conformance cases", folder)
	}
	path = filepath.Join(dir, area, file)
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return path, text
}

// written are the cases of a file, as they are written.
func written(t testing.TB, path string, text []byte) []json.RawMessage {
	t.Helper()
	var file struct {
		Area   string
		Format int
		Cases  []json.RawMessage
	}
	if err := strict(text, &file); err != nil {
		t.Fatal(path, err)
	}
	return file.Cases
}

func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}
