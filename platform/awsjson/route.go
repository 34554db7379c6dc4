package awsjson

import (
	"net/url"
	"strings"
)

// node is one segment of the path templates.
type node struct {
	literals map[string]*node
	label    *node
	// operations that end here; those with a query of their own stand first.
	operations []*Operation
}

func (n *node) add(o *Operation) {
	for _, segment := range strings.Split(strings.TrimPrefix(o.Path, "/"), "/") {
		n = n.child(segment)
	}
	if len(o.query) > 0 {
		n.operations = append([]*Operation{o}, n.operations...)
		return
	}
	n.operations = append(n.operations, o)
}

func (n *node) child(segment string) *node {
	if _, ok := label(segment); ok {
		if n.label == nil {
			n.label = &node{}
		}
		return n.label
	}
	if n.literals == nil {
		n.literals = map[string]*node{}
	}
	if n.literals[segment] == nil {
		n.literals[segment] = &node{}
	}
	return n.literals[segment]
}

// Match finds the operation of a verb, a path as it stands on the wire and a query. The path is split before it is
// unescaped, since ARNs arrive as one encoded segment (spec/control-plane.md 1.2). labels holds the unescaped values of
// the template's labels in order. known tells that the path exists, if with other verbs.
func (t *Table) Match(method, escapedPath string, query url.Values) (op *Operation, labels []string, known bool) {
	segments := strings.Split(strings.TrimPrefix(escapedPath, "/"), "/")
	n, raw := t.root.find(segments, nil)
	if n == nil {
		return nil, nil, false
	}
	for _, s := range raw {
		v, err := url.PathUnescape(s)
		if err != nil || v == "" {
			return nil, nil, false
		}
		labels = append(labels, v)
	}
	for _, o := range n.operations {
		if o.Method == method && o.wants(query) {
			return o, labels, true
		}
	}
	return nil, labels, true
}

func (n *node) find(segments, labels []string) (*node, []string) {
	if len(segments) == 0 {
		if len(n.operations) == 0 {
			return nil, nil
		}
		return n, labels
	}
	if next := n.literals[plain(segments[0])]; next != nil {
		if found, l := next.find(segments[1:], labels); found != nil {
			return found, l
		}
	}
	if n.label == nil {
		return nil, nil
	}
	return n.label.find(segments[1:], append(labels[:len(labels):len(labels)], segments[0]))
}

// plain unescapes a segment; one that can not be unescaped stays and matches no literal.
func plain(segment string) string {
	if v, err := url.PathUnescape(segment); err == nil {
		return v
	}
	return segment
}

func (o *Operation) wants(query url.Values) bool {
	for k, v := range o.query {
		if query.Get(k) != v[0] {
			return false
		}
	}
	return true
}
