package mapping

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/core/jsonpath"
)

// perfVectors are the larger templates of core/vtl, by name.
func perfVectors(t testing.TB) map[string]jsonpath.Value {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "vtl", "testdata", "perf", "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no templates: ", err)
	}
	out := map[string]jsonpath.Value{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		v, err := jsonpath.ParseJSON(string(text))
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".json")] = v
	}
	return out
}

func TestPerfVectors(t *testing.T) {
	for name, v := range perfVectors(t) {
		if wrong := checkVector(v); wrong != "" && otherObjects[name] == "" {
			t.Errorf("%s: %.2000s", name, wrong)
		}
	}
}

// BenchmarkVectors renders them with the service's objects, the parsing of the payload included.
func BenchmarkVectors(b *testing.B) {
	for name, v := range perfVectors(b) {
		b.Run(name, func(b *testing.B) {
			x := compiled(b, v.Get("template").Text())
			in := requestOf(v)
			body := v.Get("body").Text()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Render(in, body, &State{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
