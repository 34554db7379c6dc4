package schema

import (
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// strictIntegers makes an integer what draft 4 says it is: a number without fraction and exponent. The library takes 1.0 for
// one, as later drafts do.
var strictIntegers = &jsonschema.Vocabulary{
	URL: "urn:limen:strict-integers",
	Compile: func(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
		types := typesOf(schema)
		if !slices.Contains(types, "integer") || slices.Contains(types, "number") {
			return nil, nil
		}
		return integersOnly(types), nil
	},
}

// integersOnly is the types of a schema that allows integers but not numbers.
type integersOnly []string

// Validate is called after the library has checked the type its own way.
func (t integersOnly) Validate(ctx *jsonschema.ValidatorContext, v any) {
	if n, ok := v.(number); ok && strings.ContainsAny(string(n), ".eE") {
		ctx.AddError(&kind.Type{Got: "number", Want: t})
	}
}

// typesOf is the type keyword as a list.
func typesOf(schema map[string]any) []string {
	switch t := schema["type"].(type) {
	case string:
		return []string{t}
	case []any:
		var out []string
		for _, item := range t {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
