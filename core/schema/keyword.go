package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// ownKeywords judges type and enum in the library's place. The library stops at the first of them that fails and takes 1.0 for
// an integer; the service goes on with the other keywords, and its integers have neither fraction nor exponent, as draft 4 says.
var ownKeywords = &jsonschema.Vocabulary{
	URL: "urn:limen:type-and-enum",
	Compile: func(_ *jsonschema.CompilerContext, schema map[string]any) (jsonschema.SchemaExt, error) {
		k := typeAndEnum{types: typesOf(schema)}
		k.enum, _ = schema["enum"].([]any)
		if k.types == nil && k.enum == nil {
			return nil, nil
		}
		return &k, nil
	},
}

// takeOver makes the library leave type and enum to ownKeywords. The meta-schema, which all compilers share, stays as it is.
func takeOver(s *jsonschema.Schema) { s.Types, s.Enum = nil, nil }

type typeAndEnum struct {
	types []string // allowed, integer included where number is
	enum  []any
}

// Validate is called when all other keywords have judged the value.
func (k *typeAndEnum) Validate(ctx *jsonschema.ValidatorContext, v any) {
	if k.types != nil && !slices.Contains(k.types, typeOf(v)) {
		ctx.AddError(&kind.Type{Got: typeOf(v), Want: k.types})
	}
	if k.enum == nil {
		return
	}
	for _, item := range k.enum {
		if same, err := ctx.Equals(v, item); same && err == nil {
			return
		}
	}
	ctx.AddError(&kind.Enum{Got: v, Want: k.enum})
}

// typesOf is the type keyword as a sorted list. Who allows numbers allows integers.
func typesOf(schema map[string]any) []string {
	var out []string
	switch t := schema["type"].(type) {
	case string:
		out = []string{t}
	case []any:
		for _, item := range t {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
	}
	if slices.Contains(out, "number") && !slices.Contains(out, "integer") {
		out = append(out, "integer")
	}
	slices.Sort(out)
	return out
}
