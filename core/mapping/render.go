package mapping

import (
	"iter"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/vtl"
)

// Place is where a parameter of a request is, in the order in which $input.params looks for it (spec/rest.md 6.2).
type Place uint8

// The places.
const (
	InPath Place = iota
	InQuery
	InHeader
)

var placeNames = [...]string{InPath: "path", InQuery: "querystring", InHeader: "header"}

// Input is what a template sees of one request. It is asked only for what the template uses.
type Input interface {
	expression.Values
	// Parameters are the method request's parameters of a place with their values, in order, several of a name included.
	Parameters(Place) iter.Seq2[string, string]
	// StageVariables are all stage variables. The map is not changed.
	StageVariables() map[string]string
	// Authorizer is what stands below $context.authorizer, in order; claims under their names with "claims." before them. It
	// yields nothing for a request without an authorizer.
	Authorizer() iter.Seq2[string, string]
}

// Render runs the template on a body: that of the request, or that of the integration's answer (spec/rest.md 6). state is
// what the templates of one request share. The result must not be changed. An error is an *Error: the request fails with
// 500 then.
func (t *Template) Render(in Input, body string, state *State) ([]byte, error) {
	return t.Trace(in, body, state, nil)
}

// Trace is Render that tells trace of every directive and reference, unless trace is nil.
func (t *Template) Trace(in Input, body string, state *State, trace vtl.Trace) ([]byte, error) {
	if t.program == nil {
		return t.literal, nil
	}
	state.Cut, state.twice = 0, ""
	var limits vtl.Limits
	if t.loops {
		limits.Cut = func(line int) { state.Cut = line }
	}
	payload := &input{values: in, paths: &t.paths, document: document{text: orEmpty(body)}}
	var few [4]vtl.Variable
	out, err := t.program.Render(t.variables(few[:0], payload, state), limits, trace)
	if !t.overrides {
		payload.document.release() // only an override outlives the template
	}
	if err != nil {
		return nil, failure(err)
	}
	if state.twice != "" {
		return nil, &Error{Message: state.twice + " is written twice"}
	}
	return trim(out), nil
}

// variables adds what the template names, and nothing else.
func (t *Template) variables(out []vtl.Variable, payload *input, state *State) []vtl.Variable {
	in := payload.values
	if t.program.Uses("input") {
		out = append(out, vtl.Variable{Name: "input", Value: vtl.ObjectValue(payload)})
	}
	if t.program.Uses("util") {
		out = append(out, vtl.Variable{Name: "util", Value: t.utilities})
	}
	if t.program.Uses("context") {
		if t.overrides {
			state.begin()
		}
		out = append(out, vtl.Variable{Name: "context", Value: vtl.MapValue(contextMap(in, state, t.context))})
	}
	if t.program.Uses("stageVariables") {
		out = append(out, vtl.Variable{Name: "stageVariables", Value: vtl.MapValue(stageMap(in.StageVariables()))})
	}
	return out
}

// orEmpty: an empty payload is {} (spec/vtl.md 9.1).
func orEmpty(body string) string {
	if body == "" {
		return "{}"
	}
	return body
}
