package routing

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func build(t testing.TB, routes ...string) *Tree {
	t.Helper()
	var rs []Route
	for _, r := range routes {
		method, path, _ := strings.Cut(r, " ")
		rs = append(rs, Route{path, method})
	}
	tree, err := New(rs)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name    string
		routes  []string
		request string
		want    string // route, then name=value of its parameters; "" for no match
	}{
		{"root", []string{"GET /"}, "GET /", "GET /"},
		{"root is not matched below", []string{"GET /"}, "GET /x", ""},
		{"literal", []string{"GET /pets"}, "GET /pets", "GET /pets"},
		{"literal is case-sensitive", []string{"GET /pets"}, "GET /Pets", ""},
		{"literal beats parameter", []string{"GET /{id}", "GET /pets"}, "GET /pets", "GET /pets"},
		{"parameter beats greedy", []string{"GET /{p+}", "GET /a/{id}"}, "GET /a/1", "GET /a/{id} id=1"},
		{"greedy takes the rest", []string{"ANY /{proxy+}"}, "GET /a/b/c", "ANY /{proxy+} proxy=a/b/c"},
		{"greedy does not match its parent", []string{"GET /parent/{proxy+}"}, "GET /parent", ""},
		{"greedy does not match its parent with a slash", []string{"GET /parent/{proxy+}"}, "GET /parent/", ""},
		{"root greedy does not match the root", []string{"GET /{proxy+}"}, "GET /", ""},
		{"method falls through to greedy", []string{"POST /test", "OPTIONS /{proxy+}"}, "OPTIONS /test", "OPTIONS /{proxy+} proxy=test"},
		{"method falls through to a parameter", []string{"POST /test", "GET /{id}"}, "GET /test", "GET /{id} id=test"},
		{"the literal keeps its own verb", []string{"POST /test", "OPTIONS /{proxy+}"}, "POST /test", "POST /test"},
		{"no fall-through without the verb", []string{"POST /test", "OPTIONS /{proxy+}"}, "GET /test", ""},
		{"backtracks out of a literal", []string{"GET /part1", "GET /{proxy+}"}, "GET /part1/random", "GET /{proxy+} proxy=part1/random"},
		{"backtracks over two levels", []string{"GET /a/b/c", "GET /{x}/b/d", "GET /{p+}"}, "GET /a/b/d", "GET /{x}/b/d x=a"},
		{"backtracking forgets parameters", []string{"GET /{a}/{b}/x", "GET /{p+}"}, "GET /1/2/y", "GET /{p+} p=1/2/y"},
		{"explicit method beats ANY", []string{"ANY /a", "GET /a"}, "GET /a", "GET /a"},
		{"ANY serves the others", []string{"ANY /a", "GET /a"}, "PATCH /a", "ANY /a"},
		{"ANY is exactly seven verbs", []string{"ANY /a"}, "TRACE /a", ""},
		{"verbs are case-sensitive", []string{"ANY /a"}, "get /a", ""},
		{"HEAD is not made from GET", []string{"GET /a"}, "HEAD /a", ""},
		{"trailing slash is ignored", []string{"GET /pets"}, "GET /pets/", "GET /pets"},
		{"only one trailing slash is", []string{"GET /pets"}, "GET /pets//", ""},
		{"trailing slash does not enter a greedy value", []string{"GET /{proxy+}"}, "GET /proxy-value/", "GET /{proxy+} proxy=proxy-value"},
		{"double slash survives in a greedy value", []string{"GET /{proxy+}"}, "GET /proxy-value//double-slash", "GET /{proxy+} proxy=proxy-value//double-slash"},
		{"leading slashes collapse", []string{"GET /hardcoded"}, "GET //hardcoded", "GET /hardcoded"},
		{"leading slashes collapse before greedy", []string{"GET /{proxy+}"}, "GET ///proxy-value", "GET /{proxy+} proxy=proxy-value"},
		{"a parameter never matches an empty segment", []string{"GET /{a}/{b}"}, "GET /x//y", ""},
		{"a literal is not found behind an empty segment", []string{"GET /a/b"}, "GET /a//b", ""},
		{"percent-encoding stays", []string{"GET /{id}"}, "GET /a%2Fb+c", "GET /{id} id=a%2Fb+c"},
		{"several parameters", []string{"GET /s/{a}/t/{b+}"}, "GET /s/1/t/2/3", "GET /s/{a}/t/{b+} a=1 b=2/3"},
		{"no leading slash", []string{"OPTIONS /{p+}"}, "OPTIONS *", ""},
		{"creation order does not matter", []string{"GET /{p+}", "GET /a/{x}", "GET /a/b"}, "GET /a/b", "GET /a/b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := build(t, tt.routes...)
			method, path, _ := strings.Cut(tt.request, " ")
			if got := describe(tree, method, path); got != tt.want {
				t.Errorf("%s gave %q, want %q", tt.request, got, tt.want)
			}
		})
	}
}

func describe(tree *Tree, method, path string) string {
	var m Match
	if !tree.Match(method, path, &m) {
		return ""
	}
	r := tree.routes[m.Route]
	out := r.Method + " " + r.Path
	for _, p := range m.Params {
		out += " " + p.Name + "=" + p.Value
	}
	return out
}

func TestMethods(t *testing.T) {
	tree := build(t, "GET /a", "POST /a", "ANY /{p+}", "GET /b")
	if d := cmp.Diff([]string{"ANY", "GET", "POST"}, tree.Methods("/a")); d != "" {
		t.Error(d)
	}
	if got := build(t, "GET /a").Methods("/b"); len(got) != 0 {
		t.Error(got)
	}
}

func TestNew_refuses(t *testing.T) {
	deep := strings.Repeat("/{x}", MaxParams+1)
	for _, routes := range [][]Route{
		{{"a", "GET"}}, {{"/a{x}", "GET"}}, {{"/{x", "GET"}}, {{"/{}", "GET"}}, {{"/{+}", "GET"}}, {{"/{a}b", "GET"}},
		{{"/{p+}/x", "GET"}}, {{"/a//b", "GET"}}, {{"/a", "TRACE"}}, {{"/a", "GET"}, {"/a", "GET"}},
		{{"/{a}", "GET"}, {"/{b}", "POST"}}, {{deep, "GET"}},
	} {
		if _, err := New(routes); err == nil {
			t.Errorf("%v was accepted", routes)
		}
	}
}

// reference matches by trying every route and ranking the candidates segment by segment.
func reference(routes []Route, method, path string) string {
	path = Normalize(path)
	if !slices.Contains(verbs[:], method) || !strings.HasPrefix(path, "/") {
		return ""
	}
	best, bestRank := "", ""
	for _, r := range routes {
		if r.Method != method && r.Method != "ANY" {
			continue
		}
		params, rank, ok := try(r.Path, path)
		if !ok {
			continue
		}
		// The explicit method wins on the same resource.
		if rank += map[bool]string{true: "0", false: "1"}[r.Method == method]; best == "" || rank < bestRank {
			best, bestRank = r.Method+" "+r.Path+params, rank
		}
	}
	return best
}

func try(template, path string) (params, rank string, ok bool) {
	if template == "/" || path == "/" {
		return "", "", template == path
	}
	ts, ps := strings.Split(template[1:], "/"), strings.Split(path[1:], "/")
	for i, t := range ts {
		name, k := segment(t)
		switch {
		case i >= len(ps):
			return "", "", false
		case k == greedy:
			value := strings.Join(ps[i:], "/")
			return params + " " + name + "=" + value, rank + "3", strings.Trim(value, "/") != ""
		case k == param && ps[i] != "":
			params, rank = params+" "+name+"="+ps[i], rank+"2"
		case k == literal && t == ps[i]:
			rank += "1"
		default:
			return "", "", false
		}
	}
	return params, rank, len(ts) == len(ps)
}

func TestMatch_agreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom([]string{"a", "b", "c", "{x}"})
		verb := rapid.SampledFrom([]string{"GET", "POST", "ANY"})
		seen := map[Route]bool{}
		var routes []Route
		for range rapid.IntRange(0, 12).Draw(t, "routes") {
			parts := rapid.SliceOfN(part, 0, 4).Draw(t, "parts")
			if rapid.IntRange(0, 3).Draw(t, "greedy") == 0 {
				parts = append(parts, "{p+}")
			}
			r := Route{"/" + strings.Join(parts, "/"), verb.Draw(t, "verb")}
			if !seen[r] {
				seen[r] = true
				routes = append(routes, r)
			}
		}
		tree, err := New(routes)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			path := "/" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c", "d", ""}), 0, 6).Draw(t, "path"), "/")
			method := rapid.SampledFrom([]string{"GET", "POST", "PUT", "TRACE"}).Draw(t, "method")
			if got, want := describe(tree, method, path), reference(routes, method, path); got != want {
				t.Fatalf("%v\n%s %s gave %q, want %q", routes, method, path, got, want)
			}
		}
	})
}

func thousand(t testing.TB) *Tree {
	var routes []string
	for i := range 250 {
		routes = append(routes, fmt.Sprintf("GET /service%d", i), fmt.Sprintf("GET /service%d/items/{id}", i),
			fmt.Sprintf("POST /service%d/items/{id}/parts/{part}", i), fmt.Sprintf("ANY /service%d/files/{proxy+}", i))
	}
	return build(t, routes...)
}

func TestMatch_doesNotAllocate(t *testing.T) {
	tree := thousand(t)
	var m Match
	if n := testing.AllocsPerRun(100, func() {
		if !tree.Match("POST", "/service77/items/9/parts/4", &m) {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatch(b *testing.B) {
	tree := thousand(b)
	for _, bb := range []struct{ name, method, path string }{
		{"literal", "GET", "/service249"},
		{"parameters", "POST", "/service77/items/9/parts/4"},
		{"greedy", "PUT", "/service13/files/a/b/c/d"},
		{"miss", "DELETE", "/service77/items/9"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			b.ReportAllocs()
			var m Match
			for b.Loop() {
				tree.Match(bb.method, bb.path, &m)
			}
		})
	}
}
