package jsonpath

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a path.
const (
	maxPathLength = 64 << 10
	maxNesting    = 32 // paths in filters in paths
)

// Path is the tree of a path: its steps from the root on.
type Path struct {
	text  string
	steps []*step
	root  bool // starts at the document ($), not at the element a filter looks at (@)
}

type stepKind uint8

const (
	rootStep stepKind = iota
	propertyStep
	indexStep
	sliceStep
	wildcardStep
	scanStep
	filterStep
	functionStep
)

// step is one step of a path. Which members count depends on the kind.
type step struct {
	kind     stepKind
	position int

	names    []string
	indexes  []int
	from, to *int
	filter   expression
	function string
	args     []argument
}

// argument of a function: a path, or a literal.
type argument struct {
	path  *Path
	value Value
}

// Parse reads a path as Jayway's JsonPath 2.9 does, its leniencies included. A path that does not start with $ or @ is taken
// as $.path (spec/vtl.md 9.1).
func Parse(text string) (*Path, error) {
	p, err := parseNested(text, 0, 0)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// parseNested reads a path that stands at offset in a longer text, nesting levels of filters deep.
func parseNested(text string, offset, nesting int) (*Path, *Error) {
	p := parser{cursor: cursor{text: text, end: len(text)}, offset: offset, nesting: nesting}
	switch {
	case len(text) > maxPathLength:
		return nil, &Error{Code: TooComplex, Position: offset + maxPathLength, Message: "path is too long"}
	case nesting > maxNesting:
		return nil, &Error{Code: TooComplex, Position: offset, Message: "filters are nested too deeply"}
	case !utf8.ValidString(text):
		return nil, invalid(offset+validPrefix(text), "path is not UTF-8")
	}
	if text == "" || text[0] != '$' && text[0] != '@' {
		p.text = "$." + text
		p.end = len(p.text)
		p.offset -= len("$.")
	}
	p.trim()
	if p.end == p.pos || p.text[p.end-1] == '.' {
		return nil, p.fail(p.end-1, "path must not end with '.'")
	}
	steps, err := p.path()
	if err != nil {
		return nil, err
	}
	return &Path{text: text, steps: steps, root: p.text[0] == '$'}, nil
}

func validPrefix(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

type parser struct {
	cursor
	offset  int
	nesting int
	steps   []*step
}

func (p *parser) fail(at int, message string) *Error { return invalid(max(p.offset+at, 0), message) }

func (p *parser) add(s *step, at int) {
	s.position = max(p.offset+at, 0)
	p.steps = append(p.steps, s)
}

func (p *parser) path() ([]*step, *Error) {
	p.add(&step{kind: rootStep}, p.pos)
	if p.isTail() {
		return p.steps, nil
	}
	p.pos++
	if c := p.current(); c != '.' && c != '[' {
		return nil, p.fail(p.pos, "expected '.' or '['")
	}
	for {
		if err := p.step(); err != nil {
			return nil, err
		}
		if p.isTail() {
			return p.steps, nil
		}
	}
}

// step reads the next step and leaves the cursor behind it, or on its last character where the library does.
func (p *parser) step() *Error {
	switch p.current() {
	case '[':
		return p.bracket()
	case '.':
		return p.dot()
	case '*':
		p.add(&step{kind: wildcardStep}, p.pos)
		p.pos++
		return nil
	}
	return p.property()
}

func (p *parser) dot() *Error {
	if p.at(p.pos+1) == '.' {
		p.add(&step{kind: scanStep}, p.pos)
		p.pos++
	}
	p.pos++
	if p.current() == '.' {
		return p.fail(p.pos, "'.' is not valid here")
	}
	return p.step()
}

// property reads name or name(arguments).
func (p *parser) property() *Error {
	from := p.pos
	for ; p.inBounds(); p.pos++ {
		switch p.current() {
		case ' ':
			return p.fail(p.pos, "a name with blanks needs brackets: ['my name']")
		case '(':
			return p.call(from)
		case '.', '[':
			p.add(&step{kind: propertyStep, names: []string{p.text[from:p.pos]}}, from)
			return nil
		}
	}
	p.add(&step{kind: propertyStep, names: []string{p.text[from:p.end]}}, from)
	return nil
}

func (p *parser) call(from int) *Error {
	s := &step{kind: functionStep, function: p.text[from:p.pos]}
	if !p.closes() {
		return p.fail(p.pos, "arguments of '"+s.function+"' are not closed")
	}
	p.pos++
	if p.current() != ')' { // the library leaves the cursor on the parenthesis that closes an empty list
		args, err := p.arguments()
		if err != nil {
			return err
		}
		s.args = args
	}
	p.add(s, from)
	return nil
}

// closes reports whether the parenthesis at the cursor is closed, whatever stands between.
func (p *parser) closes() bool {
	depth := 0
	for i := p.pos; i < p.end; i++ {
		switch p.text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return true
			}
		}
	}
	return false
}

// bracket reads what stands between [ and ]; the order of attempts is the library's.
func (p *parser) bracket() *Error {
	next := p.significant(p.pos)
	switch c := p.at(next); {
	case c == '\'' || c == '"':
		return p.names(c)
	case c == '-' || c == ':' || isDigit(c):
		return p.numbers()
	case c == '*':
		closing := p.significant(next)
		if p.at(closing) != ']' {
			return p.fail(next+1, "expected ']' after '*'")
		}
		p.add(&step{kind: wildcardStep}, p.pos)
		p.pos = closing + 1
		return nil
	case c == '?':
		return p.filter(next)
	}
	return p.fail(p.pos, "expected ?, ', 0-9 or * after '['")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// names reads 'a', 'b'] up to the bracket.
func (p *parser) names(quote byte) *Error {
	var names []string
	begin, inName, afterComma, last := 0, false, false, p.pos
	i := p.pos + 1
loop:
	for escape := false; i < p.end; i++ {
		switch c := p.text[i]; {
		case escape:
			escape = false
		case c == '\\':
			escape = true
		case c == ']' && !inName:
			if afterComma {
				return p.fail(i, "empty name")
			}
			break loop
		case c == quote && inName:
			if next := p.at(p.significant(i)); next != ']' && next != ',' {
				return p.fail(i, "expected ',' or ']' after a name")
			}
			names, last, inName = append(names, unescape(p.text[begin:i])), i, false
		case c == quote:
			begin, inName, afterComma = i+1, true, false
		case c == ',' && !inName:
			if afterComma {
				return p.fail(i, "empty name")
			}
			afterComma = true
		}
	}
	closing := p.significant(last)
	if inName || p.at(closing) != ']' {
		return p.fail(p.pos, "name is not closed")
	}
	p.add(&step{kind: propertyStep, names: names}, p.pos)
	p.pos = closing + 1
	return nil
}

// numbers reads an index, a union of indexes or a slice. A step of a slice is read and ignored, as in the library.
func (p *parser) numbers() *Error {
	closing := p.find(p.pos+1, ']')
	if closing < 0 {
		return p.fail(p.pos, "expected ']'")
	}
	text := strings.Trim(p.text[p.pos+1:closing], " ")
	s := &step{kind: indexStep}
	if strings.Contains(text, ":") {
		s.kind = sliceStep
		bounds := append(strings.Split(text, ":"), "")
		var ok1, ok2 bool
		s.from, ok1 = bound(bounds[0])
		s.to, ok2 = bound(bounds[1])
		if !ok1 || !ok2 || s.from == nil && s.to == nil || strings.Trim(text, "0123456789-:") != "" {
			return p.fail(p.pos, "malformed slice")
		}
	} else {
		for _, part := range strings.Split(text, ",") {
			n, ok := bound(strings.Trim(part, " "))
			if !ok || n == nil {
				return p.fail(p.pos, "malformed index")
			}
			s.indexes = append(s.indexes, *n)
		}
	}
	p.add(s, p.pos)
	p.pos = closing + 1
	return nil
}

// bound reads a 32-bit number; nil when there is none.
func bound(s string) (*int, bool) {
	if s == "" {
		return nil, true
	}
	n, err := strconv.ParseInt(s, 10, 32)
	i := int(n)
	return &i, err == nil
}

func (p *parser) filter(question int) *Error {
	open := p.significant(question)
	if p.at(open) != '(' {
		return p.fail(p.pos, "expected '(' after '?'")
	}
	closing := p.matching(open, '(', ')', true)
	if closing < 0 {
		return p.fail(open, "filter is not closed")
	}
	bracket := p.significant(closing)
	if p.at(bracket) != ']' {
		return p.fail(closing, "expected ']' after a filter")
	}
	f := filterParser{cursor: cursor{text: p.text, pos: open, end: closing + 1}, offset: p.offset, nesting: p.nesting + 1}
	e, err := f.parse()
	if err != nil {
		return err
	}
	p.add(&step{kind: filterStep, filter: e}, p.pos)
	p.pos = bracket + 1
	return nil
}

// unescape undoes the escapes of a name or string in a path.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b = append(b, s[i])
			continue
		}
		i++
		if s[i] == 'u' {
			if r, ok := hex4(s[i+1:]); ok {
				b = utf8.AppendRune(b, r)
				i += 4
				continue
			}
		}
		if at := strings.IndexByte("bfnrt", s[i]); at >= 0 {
			b = append(b, "\b\f\n\r\t"[at])
		} else {
			b = append(b, s[i])
		}
	}
	return string(b)
}
