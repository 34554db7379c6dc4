package routing

import (
	"slices"
	"strings"
)

// Normalize is the path used for matching: extra leading slashes collapse to one and one trailing slash is dropped
// (spec/rest.md 1.2). The result shares memory with path.
func Normalize(path string) string {
	for len(path) > 1 && path[0] == '/' && path[1] == '/' {
		path = path[1:]
	}
	if len(path) > 1 && path[len(path)-1] == '/' {
		path = path[:len(path)-1]
	}
	return path
}

// Match finds the route of a method and a path without stage or base path. It fills m and reports whether there is
// one. It does not allocate.
func (t *Tree) Match(method, path string, m *Match) bool {
	m.n, m.Params = 0, nil
	verb := verbIndex(method)
	path = Normalize(path)
	if verb < 0 || path == "" || path[0] != '/' {
		return false
	}
	n, route := t.root.find(path[1:], verb, m)
	if n == nil {
		return false
	}
	for i, name := range n.names {
		m.params[i] = Param{name, m.values[i]}
	}
	m.Params = m.params[:len(n.names)]
	m.Route = int(route) - 1
	return true
}

// find searches below n for the rest of the path, most specific first, and backtracks: literal, then parameter, then
// greedy parameter. An empty rest is the node itself.
func (n *node) find(rest string, verb int, m *Match) (*node, int32) {
	if rest == "" {
		if route := n.route(verb); route != 0 {
			return n, route
		}
		return nil, 0
	}
	head, tail, more := rest, "", false
	if i := strings.IndexByte(rest, '/'); i >= 0 {
		head, tail, more = rest[:i], rest[i+1:], true
	}
	if head != "" && (!more || tail != "") {
		if found, route := n.findChild(head, tail, verb, m); found != nil {
			return found, route
		}
	}
	if n.greedy != nil && m.n < MaxParams && !onlySlashes(rest) {
		if route := n.greedy.route(verb); route != 0 {
			m.values[m.n] = rest
			m.n++
			return n.greedy, route
		}
	}
	return nil, 0
}

func (n *node) findChild(head, tail string, verb int, m *Match) (*node, int32) {
	if c := n.literals[head]; c != nil {
		if found, route := c.find(tail, verb, m); found != nil {
			return found, route
		}
	}
	if n.param == nil || m.n == MaxParams {
		return nil, 0
	}
	m.values[m.n] = head
	m.n++
	if found, route := n.param.find(tail, verb, m); found != nil {
		return found, route
	}
	m.n--
	return nil, 0
}

func (n *node) route(verb int) int32 {
	if n.methods == nil {
		return 0
	}
	if r := n.methods[verb]; r != 0 {
		return r
	}
	return n.methods[anyVerb]
}

// onlySlashes: a parameter never matches an empty segment, and a greedy one needs something to hold.
func onlySlashes(s string) bool { return strings.Trim(s, "/") == "" }

// Methods lists the methods defined for a path over all resources that match it, sorted; empty when the path itself is
// unknown. It is for explanations: "the path exists, but not for this verb".
func (t *Tree) Methods(path string) []string {
	var out []string
	var m Match
	for _, v := range verbs {
		if !t.Match(v, path, &m) {
			continue
		}
		if defined := t.routes[m.Route].Method; !slices.Contains(out, defined) {
			out = append(out, defined)
		}
	}
	slices.Sort(out)
	return out
}
