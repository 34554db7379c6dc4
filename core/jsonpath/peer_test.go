package jsonpath

import (
	"encoding/json"
	"testing"

	peer "github.com/theory/jsonpath"
)

// BenchmarkPeer is a well-kept library for the standard's JSONPath: BenchmarkCompile and BenchmarkEval stand beside it.
func BenchmarkPeer(b *testing.B) {
	var document any
	if err := json.Unmarshal([]byte(bookstore), &document); err != nil {
		b.Fatal(err)
	}
	b.Run("compile", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := peer.Parse("$.store.book[?(@.price < 10 && @.isbn)].title"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for name, path := range map[string]string{"definite": "$.store.book[2].title", "wildcard": "$.store.book[*].title", "scan": "$..price", "filter": "$.store.book[?(@.price < 10)].title", "missing": "$.store.nothing.x"} {
		p, err := peer.Parse(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = p.Select(document)
			}
		})
	}
}
