package policy

import (
	"slices"
	"strconv"
	"strings"
)

// Kind is where a document stands.
type Kind uint8

const (
	// Identity is a policy of a user or role, or the answer of a Lambda authorizer: it names no principal.
	Identity Kind = iota
	// Resource is the policy of an API, a domain name or an endpoint: every statement names a principal.
	Resource
)

// Effect is what a statement does when it applies.
type Effect uint8

// The effects: Permit is written "Allow".
const (
	Permit Effect = iota
	Deny
)

func (e Effect) String() string {
	if e == Deny {
		return "Deny"
	}
	return "Allow"
}

const (
	version2008 = "2008-10-17"
	version2012 = "2012-10-17"
)

// Document is the tree of a policy. Nobody changes it once it is parsed.
type Document struct {
	Version    string // 2008-10-17 when the document has none: then ${…} is no variable
	ID         string
	Statements []*Statement

	text      string
	resources []node
}

// Statement is one statement. Of the pairs with Not one is nil.
type Statement struct {
	Index                   int
	Position                int
	Sid                     string
	Effect                  Effect
	Principal, NotPrincipal *Principals
	Action, NotAction       []string
	Resource, NotResource   []string // both nil only in a resource policy: then every resource fits
	Conditions              []Condition
}

// Principals are those that a statement names, by their kinds.
type Principals struct {
	Everyone                               bool // "*"
	AWS, Service, Federated, CanonicalUser []string
}

// Condition is one key of one operator with the alternatives for its value.
type Condition struct {
	Operator string // as written, with prefix and suffix
	Key      string
	Values   []string
}

// Parse reads a document and checks it. Errors are *Error.
func Parse(text string, kind Kind) (*Document, error) {
	root, err := read(text)
	if err != nil {
		return nil, err
	}
	p := parser{kind: kind, document: &Document{Version: version2008, text: text}}
	if err := p.root(&root); err != nil {
		return nil, err
	}
	return p.document, nil
}

type parser struct {
	kind     Kind
	document *Document
	sids     []string
}

func fail(n *node, element, message string) *Error {
	return &Error{Position: n.from, Element: element, Message: message}
}

func (p *parser) root(n *node) *Error {
	if n.kind != '{' {
		return fail(n, "", "document is not an object")
	}
	var statements *node
	for i, name := range n.names {
		item := &n.items[i]
		switch name {
		case "Version":
			if item.kind != 's' || item.text != version2012 && item.text != version2008 {
				return fail(item, name, "must be 2012-10-17 or 2008-10-17")
			}
			p.document.Version = item.text
		case "Id":
			if item.kind != 's' {
				return fail(item, name, "must be a string")
			}
			p.document.ID = item.text
		case "Statement":
			statements = item
		default:
			return fail(item, name, "is no element of a policy")
		}
	}
	if statements == nil {
		return fail(n, "Statement", "is missing")
	}
	return p.statements(statements)
}

func (p *parser) statements(n *node) *Error {
	items := n.items
	if n.kind == '{' {
		items = []node{*n}
	} else if n.kind != '[' {
		return fail(n, "Statement", "must be a statement or a list of them")
	}
	for i := range items {
		element := "Statement[" + strconv.Itoa(i) + "]"
		if items[i].kind != '{' {
			return fail(&items[i], element, "must be an object")
		}
		s := &Statement{Index: i, Position: items[i].from}
		if err := p.statement(s, &items[i], element); err != nil {
			return err
		}
		p.document.Statements = append(p.document.Statements, s)
	}
	return nil
}

func (p *parser) statement(s *Statement, n *node, element string) *Error {
	for i, name := range n.names {
		if err := p.element(s, name, &n.items[i], element+"."+name); err != nil {
			return err
		}
	}
	has := func(name string) bool { return slices.Contains(n.names, name) }
	for _, pair := range [...]string{"Principal", "Action", "Resource"} {
		if has(pair) && has("Not"+pair) {
			return fail(n, element, pair+" and Not"+pair+" exclude each other")
		}
	}
	principal := has("Principal") || has("NotPrincipal")
	switch {
	case !has("Effect"):
		return fail(n, element, "Effect is missing")
	case !has("Action") && !has("NotAction"):
		return fail(n, element, "Action is missing")
	case p.kind == Identity && principal:
		return fail(n, element, "a policy of an identity names no principal")
	case p.kind == Resource && !principal:
		return fail(n, element, "Principal is missing")
	case p.kind == Identity && !has("Resource") && !has("NotResource"):
		return fail(n, element, "Resource is missing")
	}
	return nil
}

func (p *parser) element(s *Statement, name string, n *node, element string) (err *Error) {
	switch name {
	case "Sid":
		if n.kind != 's' {
			return fail(n, element, "must be a string")
		}
		if n.text != "" && slices.Contains(p.sids, n.text) {
			return fail(n, element, "stands twice")
		}
		s.Sid = n.text
		p.sids = append(p.sids, n.text)
	case "Effect":
		if n.kind != 's' || n.text != "Allow" && n.text != "Deny" {
			return fail(n, element, "must be Allow or Deny")
		}
		if n.text == "Deny" {
			s.Effect = Deny
		}
	case "Principal":
		s.Principal, err = principalsOf(n, element)
	case "NotPrincipal":
		s.NotPrincipal, err = principalsOf(n, element)
	case "Action":
		s.Action, err = actionsOf(n, element)
	case "NotAction":
		s.NotAction, err = actionsOf(n, element)
	case "Resource":
		s.Resource, err = p.resourcesOf(n, element)
	case "NotResource":
		s.NotResource, err = p.resourcesOf(n, element)
	case "Condition":
		s.Conditions, err = conditionsOf(n, element)
	default:
		return fail(n, element, "is no element of a statement")
	}
	return err
}

// list reads a string or a list of strings. It is never nil without an error.
func list(n *node, element string) ([]string, *Error) {
	if n.kind == 's' {
		return []string{n.text}, nil
	}
	if n.kind != '[' {
		return nil, fail(n, element, "must be a string or a list of strings")
	}
	out := make([]string, 0, len(n.items))
	for i := range n.items {
		if n.items[i].kind != 's' {
			return nil, fail(&n.items[i], element, "must be a list of strings")
		}
		out = append(out, n.items[i].text)
	}
	return out, nil
}

func actionsOf(n *node, element string) ([]string, *Error) {
	actions, err := list(n, element)
	for _, a := range actions {
		if service, name, ok := strings.Cut(a, ":"); a != "*" && (!ok || service == "" || name == "") {
			return nil, fail(n, element, "an action is written service:name")
		}
	}
	return actions, err
}

func (p *parser) resourcesOf(n *node, element string) ([]string, *Error) {
	resources, err := list(n, element)
	if n.kind == 's' {
		p.document.resources = append(p.document.resources, *n)
	} else {
		p.document.resources = append(p.document.resources, n.items...)
	}
	return resources, err
}

func principalsOf(n *node, element string) (*Principals, *Error) {
	if n.kind == 's' && n.text == "*" {
		return &Principals{Everyone: true}, nil
	}
	if n.kind != '{' || len(n.items) == 0 {
		return nil, fail(n, element, `must be "*" or an object`)
	}
	out := &Principals{}
	for i, name := range n.names {
		names, err := list(&n.items[i], element+"."+name)
		if err != nil {
			return nil, err
		}
		switch name {
		case "AWS":
			out.AWS = names
		case "Service":
			out.Service = names
		case "Federated":
			out.Federated = names
		case "CanonicalUser":
			out.CanonicalUser = names
		default:
			return nil, fail(&n.items[i], element+"."+name, "is no kind of principal")
		}
	}
	return out, nil
}

func conditionsOf(n *node, element string) ([]Condition, *Error) {
	if n.kind != '{' {
		return nil, fail(n, element, "must be an object")
	}
	var out []Condition
	for i, name := range n.names {
		keys, at := &n.items[i], element+"."+name
		base, each, ifExists := splitOperator(name)
		op := operators[base]
		if op == nil || op.null && (each != plain || ifExists) {
			return nil, fail(keys, at, "is no condition operator")
		}
		if keys.kind != '{' {
			return nil, fail(keys, at, "must be an object")
		}
		for j, key := range keys.names {
			values, err := valuesOf(&keys.items[j], at+"."+key)
			if err != nil {
				return nil, err
			}
			out = append(out, Condition{Operator: name, Key: key, Values: values})
		}
	}
	return out, nil
}

// valuesOf takes strings, numbers and booleans; all are compared as texts.
func valuesOf(n *node, element string) ([]string, *Error) {
	items := n.items
	if n.kind != '[' {
		items = []node{*n}
	}
	var out []string
	for i := range items {
		switch items[i].kind {
		case 's', 'n', 'b':
			out = append(out, items[i].text)
		default:
			return nil, fail(&items[i], element, "must be a string, a number, a boolean or a list of them")
		}
	}
	return out, nil
}
