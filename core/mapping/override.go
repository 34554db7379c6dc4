package mapping

import (
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/vtl"
)

// State is what the templates of one request share: the overrides, which a response template sees as the request template
// left them (spec/rest.md 6.6). The zero value is ready. What it holds lives as long as the request.
type State struct {
	// Cut is the line of a #foreach whose elements beyond the limit were skipped, in the template that was rendered last; 0 for
	// none (spec/rest.md 6.5).
	Cut int

	request, response *vtl.Map
	written           map[string]bool
	twice             string
}

// Override is a parameter that a template has set, whatever is mapped to it. A list has several values.
type Override struct {
	Name   string
	Values []string
}

// Joined is the value of a header: several of them stand behind commas.
func (o *Override) Joined() string { return strings.Join(o.Values, ",") }

// RequestOverrides are the overrides of an integration request.
type RequestOverrides struct{ Path, Query, Header []Override }

// Request are the overrides of the integration request so far.
func (s *State) Request() RequestOverrides {
	if s.request == nil {
		return RequestOverrides{}
	}
	return RequestOverrides{overrides(s.request, "path"), overrides(s.request, "querystring"), overrides(s.request, "header")}
}

// ResponseHeaders are the overrides of the method response's headers so far.
func (s *State) ResponseHeaders() []Override {
	if s.response == nil {
		return nil
	}
	return overrides(s.response, "header")
}

// Status is the override of the status; false without one, and for what is no status from 200 to 599: an interim status would
// leave the client waiting for an answer (spec/rest.md 6.6).
func (s *State) Status() (int, bool) {
	if s.response == nil {
		return 0, false
	}
	v, _ := s.response.Get("status")
	n, err := strconv.Atoi(v.String())
	return n, err == nil && n >= 200 && n <= 599
}

// begin prepares the overrides for one evaluation that may write them. Within it each may be written once: an override is final
// (spec/rest.md 6.6).
func (s *State) begin() {
	if s.request == nil {
		s.request, s.response = node(3), node(1)
		for _, place := range [...]Place{InPath, InHeader, InQuery} { // the observed order
			s.request.Put(placeNames[place], vtl.MapValue(node(0)))
		}
		s.response.Put("header", vtl.MapValue(node(0)))
	}
	clear(s.written)
	for _, place := range placeNames {
		s.watch(s.request, place, "requestOverride."+place)
	}
	s.watch(s.response, "header", "responseOverride.header")
	s.response.Written = func(key string) {
		if key == "status" {
			s.note("responseOverride.status")
		}
	}
}

func (s *State) watch(m *vtl.Map, name, label string) {
	v, _ := m.Get(name)
	if v.Map() != nil {
		v.Map().Written = func(key string) { s.note(label + "." + key) }
	}
}

func (s *State) note(name string) {
	if s.written[name] {
		s.twice = name
		return
	}
	if s.written == nil {
		s.written = map[string]bool{}
	}
	s.written[name] = true
}

func overrides(of *vtl.Map, name string) []Override {
	v, _ := of.Get(name)
	m := v.Map()
	if m == nil || m.Len() == 0 {
		return nil
	}
	out := make([]Override, 0, m.Len())
	for key, value := range m.All() {
		if !value.IsNull() {
			out = append(out, Override{key.String(), texts(value)})
		}
	}
	return out
}

func texts(v vtl.Value) []string {
	list := v.List()
	if list == nil {
		return []string{v.String()}
	}
	out := make([]string, list.Len())
	for i := range out {
		out[i] = list.At(i).String()
	}
	return out
}
