// Package vtl is the language of API Gateway's mapping templates: the Velocity Template Language as Apache Velocity 1.7
// speaks it, with the service's rule for references that lead nowhere (spec/vtl.md).
//
// Parse turns text into a Tree, Compile turns the tree into a Program, which is immutable and safe for concurrent use, and
// Render runs the program against variables. What a template sees are Values: Java's strings, numbers, lists and maps, and
// Objects of the host. The service's own objects ($input, $util, $context, $stageVariables) are not here: core/mapping
// makes them and passes them in.
//
// The surprise: the language is not regular. What a character means depends on a stack of lexical states that the parser
// and the reference before it have left behind, and much of what looks like an accident (a swallowed exclamation mark, a
// lost line end) is relied upon by templates. The lexer therefore keeps Velocity's states, one for one.
package vtl

// Options say how a template is compiled. The zero value is API Gateway's behaviour.
type Options struct {
	// Stock turns the service's rule for invalid references off: a reference without a value prints its own source text,
	// is false in conditions and is not assigned, as in a stock Velocity (spec/vtl.md 1.4).
	Stock bool
}

// CompileText is Parse and Compile in one.
func CompileText(text string, o Options) (*Program, error) {
	p := parsers.Get().(*parser)
	defer p.release()
	t, err := p.parse(text)
	if err != nil {
		return nil, err
	}
	return Compile(t, o)
}
