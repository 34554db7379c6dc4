package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/mapping"
)

// templateInput is what a template sees when it is run by hand: the .input.json of a case of limen vtl test, or the flags
// of limen vtl run.
type templateInput struct {
	// Payload is the body: a text, or any other JSON, which stands for its text.
	Payload        json.RawMessage   `json:"body"`
	PathParameters map[string]texts  `json:"path"`
	QueryString    map[string]texts  `json:"querystring"`
	Headers        map[string]texts  `json:"headers"`
	Variables      map[string]string `json:"stageVariables"`
	// ContextTree is $context: objects nest as its names do.
	ContextTree map[string]any `json:"context"`

	body string
}

var _ mapping.Input = (*templateInput)(nil)

// texts are the values of a parameter: in JSON a text, or a list of them.
type texts []string

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]string)(t))
	}
	*t = make(texts, 1)
	return json.Unmarshal(b, &(*t)[0])
}

// parseTemplateInput reads an .input.json. Members it does not know are refused: a misspelt one would pass unseen.
func parseTemplateInput(text []byte) (*templateInput, error) {
	in := &templateInput{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(in); err != nil {
		return nil, err
	}
	if len(in.Payload) == 0 {
		return in, nil
	}
	if in.Payload[0] == '"' {
		return in, json.Unmarshal(in.Payload, &in.body)
	}
	in.body = string(in.Payload)
	return in, nil
}

func (in *templateInput) place(p mapping.Place) map[string]texts {
	return [...]map[string]texts{mapping.InPath: in.PathParameters, mapping.InQuery: in.QueryString, mapping.InHeader: in.Headers}[p]
}

func last(values texts) string {
	if len(values) == 0 {
		return ""
	}
	return values[len(values)-1]
}

func (in *templateInput) Path(name string) string   { return last(in.PathParameters[name]) }
func (in *templateInput) Query(name string) string  { return last(in.QueryString[name]) }
func (in *templateInput) Header(name string) string { return last(in.Headers[name]) }

func (in *templateInput) QueryAll(dst []string, name string) []string {
	return append(dst, in.QueryString[name]...)
}

func (in *templateInput) HeaderAll(dst []string, name string) []string {
	return append(dst, in.Headers[name]...)
}

func (in *templateInput) Body() string                     { return in.body }
func (in *templateInput) StageVariable(name string) string { return in.Variables[name] }

// An integration's answer is the body of a template that is run by hand.
func (in *templateInput) ResponseBody() string              { return in.body }
func (in *templateInput) ResponseHeader(name string) string { return in.Header(name) }
func (in *templateInput) ResponseHeaderAll(dst []string, name string) []string {
	return in.HeaderAll(dst, name)
}
func (in *templateInput) StageVariables() map[string]string { return in.Variables }

func (in *templateInput) Parameters(p mapping.Place) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		parameters := in.place(p)
		for _, name := range slices.Sorted(maps.Keys(parameters)) {
			for _, value := range parameters[name] {
				if !yield(name, value) {
					return
				}
			}
		}
	}
}

// Context walks down the tree; what is no scalar has no text.
func (in *templateInput) Context(path string) string {
	var at any = in.ContextTree
	for name := range strings.SplitSeq(path, ".") {
		tree, ok := at.(map[string]any)
		if !ok {
			return ""
		}
		at = tree[name]
	}
	return scalar(at)
}

func scalar(v any) string {
	switch v := v.(type) {
	case nil, map[string]any, []any:
		return ""
	case string:
		return v
	default:
		return fmt.Sprint(v)
	}
}

func (in *templateInput) Authorizer() iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		tree, _ := in.ContextTree["authorizer"].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(tree)) {
			if name == "claims" {
				claims, _ := tree[name].(map[string]any)
				for _, claim := range slices.Sorted(maps.Keys(claims)) {
					if !yield("claims."+claim, scalar(claims[claim])) {
						return
					}
				}
				continue
			}
			if !yield(name, scalar(tree[name])) {
				return
			}
		}
	}
}
