package gatewayresponse

import (
	"fmt"
	"slices"
	"strings"
)

// BuiltinTemplate is the template of every type that has none of its own, for application/json.
const BuiltinTemplate = `{"message":$context.error.messageString}`

// Response is one customised gateway response, as stored and deployed.
type Response struct {
	Type       Type
	StatusCode int               // 0: keep the default
	Parameters map[string]string // gatewayresponse.header.Name -> expression
	Templates  map[string]string // content type -> template; empty: the built-in one
}

// Set holds the compiled gateway responses of one deployment. It is immutable; a nil Set has only the defaults.
type Set struct {
	byType map[Type]*response
}

type response struct {
	status    int
	headers   []header
	templates []template
}

type header struct {
	name  string
	value []piece
}

type template struct {
	contentType string
	text        []piece
	builtin     bool
}

// Compile checks the responses and makes a Set of them. A later response of the same type replaces an earlier one.
func Compile(responses []Response) (*Set, error) {
	s := &Set{byType: make(map[Type]*response, len(responses))}
	for _, r := range responses {
		if !r.Type.Valid() {
			return nil, fmt.Errorf("gateway response: %q is not a response type", r.Type)
		}
		c, err := compile(r)
		if err != nil {
			return nil, fmt.Errorf("gateway response %s: %w", r.Type, err)
		}
		s.byType[r.Type] = c
	}
	return s, nil
}

func compile(r Response) (*response, error) {
	c := &response{status: r.StatusCode}
	for key, expr := range r.Parameters {
		name, ok := strings.CutPrefix(key, "gatewayresponse.header.")
		if !ok || name == "" {
			return nil, fmt.Errorf("invalid parameter %q", key)
		}
		value, err := parseParameter(expr)
		if err != nil {
			return nil, err
		}
		c.headers = append(c.headers, header{name, value})
	}
	slices.SortFunc(c.headers, func(a, b header) int { return strings.Compare(a.name, b.name) })
	for contentType, text := range r.Templates {
		c.templates = append(c.templates, template{contentType, parseTemplate(text), text == BuiltinTemplate})
	}
	slices.SortFunc(c.templates, func(a, b template) int { return strings.Compare(a.contentType, b.contentType) })
	return c, nil
}

// find returns the customisation that applies to a type, or nil. A type set explicitly inherits nothing
// (spec/rest.md 7.2).
func (s *Set) find(t Type) *response {
	if s == nil || table[t].fixed {
		return nil
	}
	if r := s.byType[t]; r != nil {
		return r
	}
	return s.byType[t.Inherits()]
}

// choose picks the template by the first media type of Accept, application/json by default (spec/rest.md 7.3).
func (r *response) choose(accept string) *template {
	if len(r.templates) == 0 {
		return nil
	}
	first, _, _ := strings.Cut(accept, ",")
	first, _, _ = strings.Cut(first, ";")
	first = strings.TrimSpace(first)
	for i := range r.templates {
		if strings.EqualFold(r.templates[i].contentType, first) {
			return &r.templates[i]
		}
	}
	for i := range r.templates {
		if r.templates[i].contentType == "application/json" {
			return &r.templates[i]
		}
	}
	return &r.templates[0]
}
