package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func listOf(t *testing.T, text string) (*Gaps, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gaps.tsv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return ReadGaps(path)
}

// TestGapsAreExact: the list holds in both directions.
func TestGapsAreExact(t *testing.T) {
	passes, fails := Result{"a", "a/x", Passed, ""}, Result{"a", "a/x", Failed, "differs"}
	const listed = "# why\na/x\tmissing\tstep\n"
	for _, c := range []struct {
		what, list string
		result     Result
		whole, ok  bool
		says       string
	}{
		{"passes", "", passes, true, true, "a: 1 passed, 0 failed, 0 skipped\n"},
		{"fails", "", fails, true, false, "FAIL a/x: differs"},
		{"listed and fails", listed, fails, true, true, "1 failed, 0 skipped (1 known gaps)"},
		{"listed and passes", listed, passes, true, false, "take it from the list"},
		{"listed and skipped", listed, Result{"a", "a/x", Skipped, "why not"}, true, false, "take it from the list"},
		{"listed and not there", "a/y\tm\ts\n", passes, true, false, "there is no such case"},
		{"listed in another area", "b/y\tm\ts\n", passes, true, true, ""},
		{"listed and not run", "a/y\tm\ts\n", passes, false, true, ""},
		{"skipped", "", Result{"a", "a/x", Skipped, "why not"}, true, true, "  1 skipped: why not\n"},
	} {
		gaps, err := listOf(t, c.list)
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		p := NewReport(&out, gaps)
		p.Add(c.result)
		if ok := p.Finish(c.whole); ok != c.ok || !strings.Contains(out.String(), c.says) {
			t.Errorf("%s: %v, %s", c.what, ok, out.String())
		}
	}
}

func TestWithoutAListEveryFailureCounts(t *testing.T) {
	var out strings.Builder
	p := NewReport(&out, nil)
	p.Add(Result{"a", "a/x", Failed, "differs"})
	if p.Finish(true) {
		t.Error(out.String())
	}
	if empty := NewReport(&out, nil); empty.Finish(true) {
		t.Error("a run without cases is as expected")
	}
	twice := NewReport(&out, nil)
	twice.Add(Result{"a", "a/x", Passed, ""})
	twice.Add(Result{"a", "a/x", Passed, ""})
	if twice.Finish(true) {
		t.Error("two cases of one name are as expected")
	}
}

func TestGapsAreWellFormed(t *testing.T) {
	for _, text := range []string{"a/x\tm\n", "a/x\t\ts\n", "a/x\tm\ts\na/x\tm\ts\n", "a/x m s\n"} {
		if _, err := listOf(t, text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	if _, err := ReadGaps("gaps.tsv"); err != nil {
		t.Error(err)
	}
}

func TestReadAreas(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("vtl/cases.json", `{"area":"vtl","format":1,"cases":[{}]}`)
	write("vtl/cases.jsonl", "{\"name\":\"a\"}\n{\"name\":\"b\"}\n")
	write("b/cases.json", `{"area":"b","format":1,"cases":[]}`)
	areas, err := ReadAreas(dir, "")
	if err != nil || len(areas) != 2 || !slices.Equal(areas[1].Vectors, []string{"vtl/a", "vtl/b"}) {
		t.Errorf("%v, %v", areas, err)
	}
	if err := os.Remove(filepath.Join(dir, "vtl/cases.json")); err != nil {
		t.Fatal(err)
	}
	if areas, err := ReadAreas(dir, "vtl"); err != nil || len(areas) != 1 || areas[0].Name != "vtl" || len(areas[0].Vectors) != 2 {
		t.Errorf("vectors alone: %v, %v", areas, err)
	}
	if areas, err := ReadAreas(dir, "b"); err != nil || len(areas) != 1 {
		t.Errorf("%v, %v", areas, err)
	}
	if _, err := ReadAreas(dir, "none"); err == nil {
		t.Error("an area that is not there is read")
	}
	for _, text := range []string{`{"area":"b","format":2,"cases":[]}`, `{"area":"b","format":1,"cases":[],"more":1}`, `{`} {
		write("b/cases.json", text)
		if _, err := ReadAreas(dir, "b"); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}
