package jsonpath

import (
	"strings"
)

// expression is a node of a filter's tree.
type expression interface {
	// holds decides for the element r looks at. errReject drops the element, whatever else the filter says.
	holds(r *run, item Value) (bool, error)
}

type (
	anyOf    []expression // ||
	allOf    []expression // &&
	negation struct{ of expression }
	relation struct {
		left, right operand
		operator    operator
	}
	existence struct {
		path *Program
		want bool
	}
)

// operand is a side of a relation: a path, a pattern or a literal.
type operand struct {
	path    *Program
	pattern *pattern
	literal Value
}

// filterParser reads the text between [? and ] by the grammar of the library's FilterCompiler.
type filterParser struct {
	cursor
	offset  int
	nesting int
	depth   int
}

func (f *filterParser) fail(message string) *Error {
	return invalid(max(f.offset+f.pos, 0), message)
}

func (f *filterParser) parse() (expression, *Error) {
	e, err := f.or()
	if err != nil {
		return nil, err
	}
	if f.skipBlanks(); f.inBounds() {
		return nil, f.fail("expected the end of the filter")
	}
	return e, nil
}

func (f *filterParser) or() (expression, *Error) {
	e, err := f.and()
	if err != nil {
		return nil, err
	}
	list := anyOf{e}
	for f.take("||") {
		if e, err = f.and(); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(list) == 1 {
		return e, nil
	}
	return list, nil
}

func (f *filterParser) and() (expression, *Error) {
	e, err := f.operand()
	if err != nil {
		return nil, err
	}
	list := allOf{e}
	for f.take("&&") {
		if e, err = f.operand(); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	if len(list) == 1 {
		return e, nil
	}
	return list, nil
}

func (f *filterParser) take(token string) bool {
	if f.skipBlanks(); strings.HasPrefix(f.text[f.pos:f.end], token) {
		f.pos += len(token)
		return true
	}
	return false
}

// operand of && or ||: a relation, one in parentheses, or the negation of one. A ! before a path belongs to the path.
func (f *filterParser) operand() (expression, *Error) {
	if f.depth++; f.depth > maxNesting {
		return nil, &Error{Code: TooComplex, Position: max(f.offset+f.pos, 0), Message: "filter is nested too deeply"}
	}
	defer func() { f.depth-- }()
	f.skipBlanks()
	switch f.current() {
	case '!':
		if next := f.at(f.significant(f.pos)); next != '$' && next != '@' {
			f.pos++
			e, err := f.operand()
			return negation{e}, err
		}
	case '(':
		f.pos++
		e, err := f.or()
		if err == nil && !f.take(")") {
			err = f.fail("expected ')'")
		}
		return e, err
	}
	return f.relation()
}

// relation reads left operator right, or a path alone, which must exist (or must not, after !).
func (f *filterParser) relation() (expression, *Error) {
	want := f.current() != '!'
	left, err := f.side()
	if err != nil {
		return nil, err
	}
	behind := f.pos
	if op, ok := f.operator(); ok {
		right, err := f.side()
		if err != nil {
			return nil, err
		}
		return relation{left: left, right: right, operator: op}, nil
	}
	f.pos = behind
	if left.path == nil {
		return nil, f.fail("expected an operator")
	}
	return existence{path: left.path.requiring(), want: want}, nil
}

func (f *filterParser) operator() (operator, bool) {
	f.skipBlanks()
	from := f.pos
	if isOperatorByte(f.current()) {
		for isOperatorByte(f.current()) {
			f.pos++
		}
	} else {
		for f.inBounds() && f.current() != ' ' {
			f.pos++
		}
	}
	op, ok := operators[strings.ToUpper(f.text[from:f.pos])]
	return op, ok
}

func isOperatorByte(c byte) bool { return c == '<' || c == '>' || c == '=' || c == '~' || c == '!' }

func (f *filterParser) side() (operand, *Error) {
	f.skipBlanks()
	switch c := f.current(); c {
	case '!':
		f.pos++
		if f.skipBlanks(); f.current() != '$' && f.current() != '@' {
			return operand{}, f.fail("unexpected '!'")
		}
		return f.path()
	case '$', '@':
		return f.path()
	case '\'', '"':
		return f.string(c)
	case '/':
		return f.pattern()
	case '[':
		return f.json('[', ']')
	case '{':
		return f.json('{', '}')
	case 't':
		return f.word("true", BoolValue(true))
	case 'f':
		return f.word("false", BoolValue(false))
	case 'n':
		return f.word("null", NullValue())
	}
	return f.number()
}

func (f *filterParser) word(text string, v Value) (operand, *Error) {
	if !strings.HasPrefix(f.text[f.pos:f.end], text) {
		return operand{}, f.fail("expected " + text)
	}
	f.pos += len(text)
	return operand{literal: v}, nil
}

func (f *filterParser) number() (operand, *Error) {
	from := f.pos
	for c := f.current(); isDigit(c) || c == '-' || c == '.' || c == 'e' || c == 'E'; c = f.current() {
		f.pos++
	}
	text := f.text[from:f.pos]
	if !isDecimal(text) {
		f.pos = from
		return operand{}, f.fail("expected a path, string, number, pattern, list, true, false or null")
	}
	return operand{literal: NumberValue(text)}, nil
}

func (f *filterParser) string(quote byte) (operand, *Error) {
	closing := f.unescaped(f.pos, quote)
	if closing < 0 {
		return operand{}, f.fail("string is not closed")
	}
	s := unescape(f.text[f.pos+1 : closing])
	f.pos = closing + 1
	return operand{literal: StringValue(s)}, nil
}

func (f *filterParser) json(opening, closing byte) (operand, *Error) {
	from := f.pos
	end := f.matching(from, opening, closing, false)
	if end < 0 {
		return operand{}, f.fail("list or object is not closed")
	}
	v, err := parseLenient(f.text[from : end+1])
	if err != nil {
		f.pos += err.Position
		return operand{}, f.fail(err.Message)
	}
	f.pos = end + 1
	return operand{literal: v}, nil
}

func (f *filterParser) pattern() (operand, *Error) {
	closing := f.unescaped(f.pos, '/')
	if closing < 0 {
		return operand{}, f.fail("pattern is not closed")
	}
	flags := closing + 1
	for f.in(flags) && strings.IndexByte(patternFlags, f.text[flags]) >= 0 {
		flags++
	}
	p, message := compilePattern(f.text[f.pos+1:closing], f.text[closing+1:flags])
	if message != "" {
		return operand{}, f.fail(message)
	}
	f.pos = flags
	return operand{pattern: p}, nil
}

// path reads up to a blank, an operator's character or the parenthesis that closes the expression. The library does not end a
// path at && or ||: without blanks around them they become part of a name.
func (f *filterParser) path() (operand, *Error) {
	from := f.pos
	f.pos++
	for f.inBounds() {
		if f.current() == '[' {
			end := f.matching(f.pos, '[', ']', false)
			if end < 0 {
				return operand{}, f.fail("'[' is not closed")
			}
			f.pos = end + 1
		}
		c := f.current()
		if !f.inBounds() || c == ' ' || isOperatorByte(c) || c == ')' && !f.closesCall(from) {
			break
		}
		f.pos++
	}
	p, err := parseNested(f.text[from:f.pos], f.offset+from, f.nesting)
	if err != nil {
		return operand{}, err
	}
	return operand{path: p.Compile()}, nil
}

// closesCall reports whether the parenthesis at the cursor closes a function's empty argument list.
func (f *filterParser) closesCall(from int) bool {
	i := f.pos - 1
	for i > from && f.text[i] == ' ' {
		i--
	}
	return f.text[i] == '(' && strings.Contains(f.text[from+1:i], ".")
}
