package conformance

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/test/harness"
)

// TestEnginesAreProven: of the cases in testdata/engines those named right pass, and those named for what is wrong with them
// fail. They are the project's own, most of them wrong on purpose.
func TestEnginesAreProven(t *testing.T) {
	root, err := harness.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata/engines")
	if err != nil {
		t.Fatal(err)
	}
	areas, err := ReadAreas(dir, "")
	if err != nil || len(areas) != len(engines) {
		t.Fatal(err, len(areas), "areas")
	}
	verdicts, err := AskEngines(t.Context(), root, dir, areas)
	if err != nil {
		t.Fatal(err)
	}
	s := &Suite{Engines: verdicts}
	seen := map[Verdict]int{}
	s.Run(t.Context(), areas, func(r Result) {
		want := Failed
		switch _, name, _ := strings.Cut(r.Name, "/"); {
		case strings.HasPrefix(name, "right"):
			want = Passed
		case strings.HasPrefix(name, "disputed"):
			want = Skipped
		}
		seen[r.Verdict]++
		if r.Verdict != want || (want == Passed) != (r.Reason == "") {
			t.Errorf("%s: %v %q, want %v", r.Name, r.Verdict, r.Reason, want)
		}
		t.Log(r.Name, r.Reason)
	})
	if len(seen) != 3 {
		t.Error(seen)
	}
}

func TestReadVerdicts(t *testing.T) {
	const pass = `{"Action":"pass","Package":"github.com/limen-gateway/limen/core/vtl","Test":"TestConformance/vtl/a"}
`
	const whole = `{"Action":"pass","Package":"github.com/limen-gateway/limen/core/vtl","Test":"TestConformance"}
{"Action":"pass","Package":"github.com/limen-gateway/limen/core/vtl"}
`
	for _, c := range []struct{ what, printed, says string }{
		{"whole", pass + whole, ""},
		{"the second judge refuses", pass + `{"Action":"output","Package":"github.com/limen-gateway/limen/core/mapping","Test":"TestConformance/vtl/a","Output":"    x_test.go:9: differs\n"}
{"Action":"fail","Package":"github.com/limen-gateway/limen/core/mapping","Test":"TestConformance/vtl/a"}
` + whole, "vtl/a: differs"},
		{"the first judge refuses", strings.Replace(pass, `"pass"`, `"fail"`, 1) + strings.Replace(pass, "core/vtl", "core/mapping", 1) + whole, "vtl/a: "},
		{"another case", strings.ReplaceAll(pass, "vtl/a", "vtl/b") + whole, "vtl/a: the case has no steps, and no engine has judged it"},
		{"it does not compile", `{"ImportPath":"github.com/limen-gateway/limen/core/vtl [x.test]","Action":"build-output","Output":"undefined: x\n"}
{"Action":"fail","Package":"github.com/limen-gateway/limen/core/vtl"}
` + pass, "vtl/core/vtl: the tests broke off: undefined: x"},
	} {
		v, err := readVerdicts(strings.NewReader(c.printed))
		if err != nil {
			t.Fatal(c.what, err)
		}
		says := ""
		s := &Suite{Engines: v}
		s.Run(t.Context(), []Area{{Name: "vtl", Vectors: []string{"vtl/a"}}}, func(r Result) {
			if r.Verdict == Failed {
				says += r.Name + ": " + r.Reason
			}
		})
		if says != c.says {
			t.Errorf("%s: %q, want %q", c.what, says, c.says)
		}
	}
	for _, text := range []string{"", "go: no such tool"} {
		if _, err := readVerdicts(strings.NewReader(text)); err == nil {
			t.Errorf("%q is a run of tests", text)
		}
	}
}
