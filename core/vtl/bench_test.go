package vtl

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// perfVectors are the larger templates, by name.
func perfVectors(b testing.TB) []vector {
	b.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "perf", "*.json"))
	if err != nil || len(files) == 0 {
		b.Fatal("no templates: ", err)
	}
	var all []vector
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			b.Fatal(err)
		}
		v, err := readVector(string(text))
		if err != nil {
			b.Fatalf("%s: %v", f, err)
		}
		v.Name = strings.TrimSuffix(filepath.Base(f), ".json")
		all = append(all, v)
	}
	return all
}

func TestPerfVectors(t *testing.T) {
	for _, x := range perfVectors(t) {
		if wrong := x.check(); wrong != "" {
			t.Errorf("%s: %s", x.Name, wrong)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	for _, x := range perfVectors(b) {
		b.Run(x.Name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := CompileText(x.Template, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRender renders with fresh variables, the parsing of the payload included.
func BenchmarkRender(b *testing.B) {
	for _, x := range perfVectors(b) {
		b.Run(x.Name, func(b *testing.B) {
			p, err := CompileText(x.Template, Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Render(x.variables(p.Uses), Limits{}, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
