// Package regex is java.util.regex as mapping templates and JSONPath need it: a backtracking matcher with Java's syntax and
// Java's choices (spec/vtl.md 7), that counts its steps. The count is why it exists: a pattern comes from the template and
// the text from a client, and neither Go's engine (no lookaround, no backreferences) nor a matcher with a clock (the domain
// has none) can serve them. CompileECMA reads the dialect of JSON Schema instead.
//
// It works on UTF-8 and code points; halves of characters may stand in the text (see Empty). Not here: canonical equivalence, \X, \N{…}.
package regex

import (
	"errors"
	"fmt"
)

// ErrSteps is the error of a match that took more steps than it was given.
var ErrSteps = errors.New("the regular expression takes too many steps")

// Regex is a compiled pattern. It is immutable and safe for concurrent use.
type Regex struct {
	code     []instruction
	groups   int // without group 0
	counters int
	names    map[string]int
	literal  string // the whole pattern, if it is plain text
	isPlain  bool
	first    *set // what a match begins with; nil when that is not known
	span     *set // the whole pattern, if it is one or more characters of a set, as many as there are
	empty    bool // a match may be empty
}

// SyntaxError is a pattern that does not compile.
type SyntaxError struct {
	Pattern string
	Offset  int
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%s near index %d of the regular expression %q", e.Message, e.Offset, e.Pattern)
}

// Compile compiles a pattern of Java's dialect. An error is a *SyntaxError.
func Compile(pattern string) (*Regex, error) { return compile(&parser{text: pattern}) }

// CompileECMA compiles a pattern of ECMA 262. What only Java knows, like possessive repetitions, is understood too where it
// would be an error otherwise. An error is a *SyntaxError.
func CompileECMA(pattern string) (*Regex, error) {
	return compile(&parser{text: pattern, flags: flags{ecma: true}})
}

func compile(p *parser) (*Regex, error) {
	tree, err := p.parse()
	if err != nil {
		return nil, err
	}
	c := &compiler{}
	c.node(tree)
	c.emit(instruction{op: opMatch})
	if len(c.code) > maxCode {
		return nil, &SyntaxError{p.text, 0, "Too large a pattern"}
	}
	re := &Regex{code: c.code, groups: p.groups, counters: c.counters, names: p.names}
	re.literal, re.isPlain = plain(tree)
	re.first = firstSet(tree)
	if r, ok := tree.(repeat); ok && r.min == 1 && r.max < 0 && r.mode != lazy {
		re.span = single(r.body)
	}
	low, _ := width(tree)
	re.empty = low == 0
	return re, nil
}

// Groups is the number of capturing groups.
func (re *Regex) Groups() int { return re.groups }

// Group is the number of a named group.
func (re *Regex) Group(name string) (int, bool) {
	n, ok := re.names[name]
	return n, ok
}

// Empty reports whether a match may be empty. Then the halves of characters above U+FFFF matter to whoever looks for every
// match: Java finds one between them, and Find does if they are written as three bytes each.
func (re *Regex) Empty() bool { return re.empty }

// Plain is the text that the pattern matches literally, if that is all it does.
func (re *Regex) Plain() (string, bool) { return re.literal, re.isPlain }
