package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const page = "# Title\n\n## 1. First\n\n1. one\n2. two\n\n### 1.2 Inner\n\n- a bullet\n  that goes on\n\n| head | of it |\n|---|---|\n| `a` | b |\n| c | d |\n"

func TestRows(t *testing.T) {
	var got []string
	for _, r := range rowsOf(page) {
		got = append(got, r.name+" "+r.text)
	}
	want := []string{"1#1 one", "1#2 two", "1.2#1 a bullet", "1.2#2 `a` | b", "1.2#3 c | d"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLedger(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("a.jsonl", `{"name":"x","rows":["1#1"]}`+"\n"+`{"name":"y"}`+"\n")
	write("b.json", `{"cases":[{"name":"z","rows":["1.2#1","7#7"]}]}`)
	write("c.json", `[1]`)
	shown, err := shownBy([]string{dir, filepath.Join(dir, "nothing")})
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := readReasons(write("left", "// a comment\n1#2\tnot ours\n1.2#2\n1#1\tshown by x\n8#8\tgone\n"))
	if err != nil {
		t.Fatal(err)
	}
	problems := compare(rowsOf(page), shown, reasons)
	for _, want := range []string{
		"1#1 is listed as left out, and a.jsonl, case x shows it",
		"1.2#2 is listed without a reason",
		"1.2#3 is neither shown nor listed: c | d",
		"there is no 7#7, which b.json, case z names",
		"there is no 8#8, which is listed as left out",
	} {
		if !slices.Contains(problems, want) {
			t.Errorf("missing: %s", want)
		}
	}
	if len(problems) != 5 {
		t.Errorf("got %s", strings.Join(problems, "\n"))
	}
}
