package vtl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// knownGaps are the vectors that do not come out as Velocity's, with the reason. TestVectors compares the list with reality
// both ways.
var knownGaps = map[string]string{
	"reference-694": `Unicode blocks (\p{InGreek}) are not among the properties`,
}

func vectors(t testing.TB, file string) []vector {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for line := range strings.Lines(string(text)) {
		v, err := readVector(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// check renders a vector and says what is wrong with the result; "" when nothing is.
func (x *vector) check() string {
	p, err := CompileText(x.Template, Options{Stock: x.Profile == "stock"})
	var out []byte
	variables := x.variables(everything)
	if err == nil {
		out, err = p.Render(variables, Limits{}, nil)
	}
	switch {
	case (x.Error == "") == (x.Output == nil):
		return "the vector wants one of output and error"
	case x.Error != "":
		if err == nil {
			return fmt.Sprintf("got %q, want an error (%s)", out, x.Error)
		}
		var e *Error
		if !errors.As(err, &e) || e.Line < 1 || e.Column < 1 {
			return fmt.Sprintf("the error %v has no place", err)
		}
		return ""
	case err != nil:
		return fmt.Sprintf("got the error %v, want %q", err, *x.Output)
	case string(out) != string(mend([]byte(*x.Output))):
		return fmt.Sprintf("got %q, want %q", out, *x.Output)
	}
	return x.checkOverrides(variables[2].Value.Map())
}

func (x *vector) checkOverrides(context *Map) string {
	if x.Overrides.Map() == nil {
		return ""
	}
	for k, want := range x.Overrides.Map().All() {
		got, _ := context.Get(k.text())
		if g, w := string(AppendJSON(nil, got)), string(AppendJSON(nil, want)); g != w {
			return fmt.Sprintf("%s is %s, want %s", k.text(), g, w)
		}
	}
	return ""
}

// TestVectors runs the vectors of the project (cases.jsonl) and what was recorded from the reference engine since: a case
// for every method and pattern, and the generated templates that once differed (reference.jsonl); and a case for each row of
// spec/vtl.md, which it names (rows.jsonl).
func TestVectors(t *testing.T) {
	for _, file := range []string{"cases.jsonl", "reference.jsonl", "rows.jsonl"} {
		t.Run(file, func(t *testing.T) {
			passed, total := map[string]int{}, map[string]int{}
			for _, x := range vectors(t, file) {
				total[x.Tier]++
				wrong := x.check()
				if wrong == "" {
					passed[x.Tier]++
				}
				switch _, known := knownGaps[x.Name]; {
				case wrong != "" && !known:
					t.Errorf("%s (%s): %q: %s", x.Name, x.Tier, x.Template, wrong)
				case wrong == "" && known:
					t.Errorf("%s is listed as a known gap and passes", x.Name)
				}
			}
			t.Logf("vtl: core %d of %d, edge %d of %d, others %d of %d", passed["core"], total["core"], passed["edge"], total["edge"], passed[""], total[""])
		})
	}
}

// TestProgramsOutliveTheirTrees: the memory of a tree serves the next template, and no program holds on to it.
func TestProgramsOutliveTheirTrees(t *testing.T) {
	all := vectors(t, "cases.jsonl")
	programs := make([]*Program, len(all))
	for i, x := range all {
		programs[i], _ = CompileText(x.Template, Options{Stock: x.Profile == "stock"})
	}
	for i, x := range all {
		if programs[i] == nil || x.Output == nil {
			continue
		}
		out, err := programs[i].Render(x.variables(programs[i].Uses), Limits{}, nil)
		if err != nil || string(out) != string(mend([]byte(*x.Output))) {
			t.Errorf("%s: got %q, %v, want %q", x.Name, out, err, *x.Output)
		}
	}
}
