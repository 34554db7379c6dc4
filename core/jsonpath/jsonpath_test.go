package jsonpath

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestErrorPositions(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{"$.a b", "invalid path at 3: a name with blanks needs brackets: ['my name']"},
		{"a b", "invalid path at 1: a name with blanks needs brackets: ['my name']"},
		{"$.a[?(@.b == x)]", "invalid path at 13: expected a path, string, number, pattern, list, true, false or null"},
		{"$.a[?(@.b[x] == 1)]", "invalid path at 9: expected ?, ', 0-9 or * after '['"},
		{"$\xff", "invalid path at 1: path is not UTF-8"},
		{"$.a[?(@.b =~ /x(?<=a/)]", "invalid path at 13: pattern: Unclosed group near index 6 of the regular expression \"x(?<=a\""},
		{"$." + strings.Repeat("a", 70_000), "too complex at 65536: path is too long"},
		{"$[?(" + strings.Repeat("(", 20_000) + "@.a" + strings.Repeat(")", 20_000) + ")]", "too complex at 35: filter is nested too deeply"},
		{"$" + strings.Repeat("[?(@", 40) + strings.Repeat(")]", 40), "too complex at 132: filters are nested too deeply"},
	} {
		if _, err := Compile(c.path); err == nil || err.Error() != c.want {
			t.Errorf("%.60s:\n got %v\nwant %s", c.path, err, c.want)
		}
	}
	p, err := Compile("$.a.b['c']")
	if err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := p.Eval(parse(t, `{"a":{"b":1}}`)); !errors.As(err, &e) || e.Error() != "path not found at 5: nothing at ['c']" {
		t.Error(err)
	}
	if _, err := p.Eval(Value{}); !errors.As(err, &e) || e.Code != PathNotFound {
		t.Error(err)
	}
	if p.String() != "$.a.b['c']" {
		t.Error(p)
	}
}

func TestAbsentDocument(t *testing.T) {
	for _, path := range []string{"$", "$.a"} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := p.Eval(Value{}); err == nil {
			t.Error(path, v)
		}
	}
}

// TestBounds: whatever the path and the document, an evaluation ends soon: here within a twentieth of the steps.
func TestBounds(t *testing.T) {
	deep := strings.Repeat(`{"a":[`, 400) + "1" + strings.Repeat("]}", 400)
	wide := "[" + strings.Repeat("[],", 100_000) + "[]]"
	long := `["` + strings.Repeat("a", 1<<20) + `!"]`
	for _, c := range []struct{ name, path, document string }{
		{"many scans of a deep document", "$" + strings.Repeat("..*", 12), deep},
		{"many scans of a scan", "$" + strings.Repeat("..a", 200), deep},
		{"a filter in a filter over a wide document", "$[?(@ in $[?(@ in $[*])])]", wide},
		{"a list in a list", "$[?(@ in $[1:])]", "[" + strings.Repeat("1,", 100_000) + "2]"},
		{"equal things", "$[?(@ == $[0])]", "[" + strings.Repeat("["+strings.Repeat("1,", 2000)+"2],", 1000) + "2]"},
		{"long texts", "$.a[?($.b < @)]", `{"a":[` + strings.Repeat("1,", 100_000) + `2],"b":"` + strings.Repeat("1", 1<<20) + `"}`},
		{"patterns on long texts", "$.a[?($.b =~ /(1?1?)*2/)]", `{"a":[` + strings.Repeat("1,", 100_000) + `2],"b":"` + strings.Repeat("1", 1<<20) + `"}`},
		{"filters without end", "$..[?(@..[?(@..[?(@..a)])])]", deep},
		{"a pattern that goes back without end", "$[?(@ =~ /(x+x+)+(?=y)y/)]", "[" + strings.Repeat(`"`+strings.Repeat("x", 40)+`",`, 1000) + "1]"},
		{"a pattern that does so elsewhere", "$[?(@ =~ /(a+)+$/)]", long},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Compile(c.path)
			if err != nil {
				t.Fatal(err)
			}
			document := parse(t, c.document)
			_, err = p.within(MaxSteps/20, document)
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Code != TooComplex) {
				t.Error(err)
			}
		})
	}
}

func TestLargeDocument(t *testing.T) {
	text := "[" + strings.Repeat(`{"id":12345,"name":"a name","tags":["x","y"]},`, 220_000) + "null]"
	p, err := Compile("$[?(@.id == 12345)].tags[1]")
	if err != nil {
		t.Fatal(err)
	}
	if v, err := p.Eval(parse(t, text)); err != nil || v.Len() != 220_000 {
		t.Error(v.Len(), err)
	}
}

func TestConcurrentUse(t *testing.T) {
	p, err := Compile("$..book[?(@.price <= $.expensive && @.title =~ /M.*/)]['title','price']")
	if err != nil {
		t.Fatal(err)
	}
	document := parse(t, bookstore)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				if v, err := p.Eval(document); err != nil || v.String() != `[{"title":"Moby Dick","price":8.99}]` {
					t.Error(v, err)
				}
			}
		})
	}
	group.Wait()
}

const bookstore = `{"store":{"book":[{"category":"reference","title":"Sayings of the Century","price":8.95,"n":{"x":1}},{"category":"fiction","title":"Sword of Honour","price":12.99},{"category":"fiction","title":"Moby Dick","isbn":"0-553-21311-3","price":8.99},{"category":"fiction","title":"The Lord of the Rings","isbn":"0-395-19395-8","price":22.99}],"bicycle":{"color":"red","price":19.95}},"expensive":8.99}`

func FuzzEval(f *testing.F) {
	for _, path := range []string{"$", "$.a[0]", "$..['a','b']", "$.a[?(@.b == 'x' && !(@.c in [1,2]))]", "$.sum($.a, 1)", "a[1:2]", "$[?(@ =~ /a.*/i)]", "$..a.length()"} {
		f.Add(path, `{"a":[{"b":"x","c":3},1,"2",null,true],"b":1.5e3}`)
	}
	f.Add("$", `["\ud83d\ude00",-0.0,1e400]`)
	f.Fuzz(func(t *testing.T, path, text string) {
		document, err := ParseJSON(text)
		if err != nil {
			return
		}
		again, err := ParseJSON(document.String())
		if err != nil {
			t.Fatalf("%q prints as %s: %v", text, document, err)
		}
		if again.Len() != document.Len() { // long numbers may change their class, and with it their form, as they do in Java
			t.Fatalf("%q prints as %s and that as %s", text, document, again)
		}
		if p, err := Compile(path); err == nil {
			before := document.String()
			_, err := p.Eval(document)
			if e, ok := err.(*Error); err != nil && (!ok || e == nil) {
				t.Fatalf("%q: %v", path, err)
			}
			if document.String() != before {
				t.Fatalf("%q changed the document", path)
			}
		}
	})
}

// BenchmarkParseJSON stands beside the standard library, which keeps neither the order of keys nor, by default, numbers.
func BenchmarkParseJSON(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(bookstore)))
		for b.Loop() {
			if _, err := ParseJSON(bookstore); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encoding/json", func(b *testing.B) {
		b.ReportAllocs()
		b.SetBytes(int64(len(bookstore)))
		for b.Loop() {
			var v any
			if err := json.Unmarshal([]byte(bookstore), &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("$.store.book[?(@.price < 10 && @.isbn)].title"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEval(b *testing.B) {
	document := parse(b, bookstore)
	for name, path := range map[string]string{"definite": "$.store.book[2].title", "wildcard": "$.store.book[*].title", "scan": "$..price", "filter": "$.store.book[?(@.price < 10)].title", "missing": "$.store.nothing.x"} {
		p, err := Compile(path)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = p.Eval(document)
			}
		})
	}
}

// TestAllocations holds the hot ways to their budget.
func TestAllocations(t *testing.T) {
	document := parse(t, bookstore)
	for path, budget := range map[string]float64{"$.store.book[2].title": 0, "$.store.nothing.x": 0, "$.store.book[*].title": 6, "$.store.book[?(@.price < 10)].title": 8} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := testing.AllocsPerRun(100, func() { _, _ = p.Eval(document) }); got > budget {
			t.Errorf("%s: %v allocations, at most %v", path, got, budget)
		}
	}
}
