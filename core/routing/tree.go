// Package routing decides which API, stage, resource and method a request belongs to: the resource tree of a REST API,
// and the hosts and path forms by which an API is reached.
//
// It matches text as it came over the wire: nothing is decoded and nothing but what spec/rest.md 1.2 names is
// normalised. The surprise: a match is per path and method, so a literal path without the verb yields to a greedy one
// that has it, and matching therefore backtracks.
package routing

import (
	"fmt"
	"slices"
	"strings"
)

// MaxParams is the largest number of path parameters one resource may have here; deeper templates are refused.
const MaxParams = 32

// Route is one method of one resource.
type Route struct {
	Path   string // the resource's template, "/pets/{id}" or "/{proxy+}"
	Method string // a verb or ANY
}

// Param is a path parameter of a match: its name, and its value as on the wire.
type Param = struct{ Name, Value string }

// Match is the result of Tree.Match. Its memory is reused by the next call; values alias the path that was matched.
type Match struct {
	Route  int // index in the routes the tree was built from
	Params []Param

	values [MaxParams]string
	params [MaxParams]Param
	n      int
}

// Tree is the compiled resource tree of one deployment. It is immutable and safe for concurrent use.
type Tree struct {
	root   *node
	routes []Route
}

// verbs are the methods ANY stands for (spec/rest.md 1.1).
var verbs = [...]string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

const anyVerb = len(verbs)

func verbIndex(method string) int {
	for i, v := range verbs {
		if v == method {
			return i
		}
	}
	return -1
}

// methods maps a verb, or ANY in the last place, to a route index plus one.
type methods [anyVerb + 1]int32

type node struct {
	literals map[string]*node
	param    *node
	greedy   *node
	methods  *methods
	names    []string // parameter names from the root, on nodes with methods
}

// New builds a tree. It refuses what CreateResource refuses: partial parameters, greedy parameters with children, and
// a method given twice. Several variable siblings with different names are merged, since only their routes differ.
func New(routes []Route) (*Tree, error) {
	t := &Tree{root: &node{}, routes: slices.Clone(routes)}
	for i, r := range routes {
		if err := t.add(r, int32(i+1)); err != nil {
			return nil, fmt.Errorf("route %s %s: %w", r.Method, r.Path, err)
		}
	}
	return t, nil
}

func (t *Tree) add(r Route, id int32) error {
	if !strings.HasPrefix(r.Path, "/") {
		return fmt.Errorf("the path does not begin with a slash")
	}
	n, names, err := t.root.descend(strings.Split(r.Path[1:], "/"))
	if err != nil {
		return err
	}
	if len(names) > MaxParams {
		return fmt.Errorf("more than %d path parameters", MaxParams)
	}
	if n.methods == nil {
		n.methods, n.names = &methods{}, names
	}
	if !slices.Equal(n.names, names) {
		return fmt.Errorf("another resource has the same path with other parameter names")
	}
	verb := anyVerb
	if r.Method != "ANY" {
		if verb = verbIndex(r.Method); verb < 0 {
			return fmt.Errorf("unknown method")
		}
	}
	if n.methods[verb] != 0 {
		return fmt.Errorf("the method is defined twice")
	}
	n.methods[verb] = id
	return nil
}

func (n *node) descend(segments []string) (*node, []string, error) {
	var names []string
	if len(segments) == 1 && segments[0] == "" {
		return n, nil, nil
	}
	for i, s := range segments {
		name, kind := segment(s)
		if kind != literal {
			names = append(names, name)
		}
		switch kind {
		case invalid:
			return nil, nil, fmt.Errorf("invalid path part %q", s)
		case greedy:
			if i != len(segments)-1 {
				return nil, nil, fmt.Errorf("%q must be the last path part", s)
			}
			n = child(&n.greedy)
		case param:
			n = child(&n.param)
		case literal:
			if n.literals == nil {
				n.literals = map[string]*node{}
			}
			c := n.literals[s]
			n.literals[s] = child(&c)
			n = c
		}
	}
	return n, names, nil
}

func child(n **node) *node {
	if *n == nil {
		*n = &node{}
	}
	return *n
}

type kind uint8

const (
	invalid kind = iota
	literal
	param
	greedy
)

// segment tells the kind of a path part (spec/rest.md 1.1: a parameter fills its whole segment).
func segment(s string) (name string, k kind) {
	if s == "" {
		return "", invalid
	}
	if s[0] != '{' {
		if strings.ContainsAny(s, "{}") {
			return "", invalid
		}
		return s, literal
	}
	name, k = s[1:len(s)-1], param
	if s[len(s)-1] != '}' {
		return "", invalid
	}
	if rest, ok := strings.CutSuffix(name, "+"); ok {
		name, k = rest, greedy
	}
	if name == "" || strings.ContainsAny(name, "{}+/") {
		return "", invalid
	}
	return name, k
}
